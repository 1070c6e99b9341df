//! The report on all packages, and its output.

use crate::structure::edges::{Edges, cycles, edges};
use crate::structure::modules::Package;
use crate::structure::packages::{HOST, is_in_host, packages};
use crate::structure::types::{Duplicate, duplicates};
use anyhow::Result;
use std::fmt::{Display, Formatter, Result as FmtResult};
use std::path::Path;

/// The number of type names that may be defined more than once.
const ALLOWED_DUPLICATES: usize = 5;

/// The findings in the workspace.
pub struct Report {
    packages: Vec<Findings>,
    duplicates: Vec<Duplicate>,
}

/// The findings in a package.
struct Findings {
    package: Package,
    edges: Edges,
    cycles: Vec<Vec<usize>>,
}

impl Report {
    /// Reads the packages of a workspace.
    pub fn of(workspace: &Path) -> Result<Report> {
        let mut found = Vec::new();
        for name in packages(workspace)? {
            let package = Package::read(workspace, &name)?;
            let edges = edges(&package);
            let cycles = cycles(&package, &edges);
            found.push(Findings { package, edges, cycles });
        }
        let host = found.iter().map(|found| &found.package);
        let duplicates = duplicates(host.filter(|package| is_in_host(&package.name)));
        Ok(Report { packages: found, duplicates })
    }

    /// The number of files that were read.
    pub fn files(&self) -> usize {
        self.packages.iter().map(|found| found.package.files.len()).sum()
    }

    /// The violations as messages.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let cycles = self.cycles();
        if cycles > 0 {
            faults.push(format!("{cycles} import cycles, 0 are allowed"));
        }
        let visible = self.visible_duplicates();
        if visible > ALLOWED_DUPLICATES {
            faults.push(format!(
                "{visible} type names are defined more than once, {ALLOWED_DUPLICATES} are allowed"
            ));
        }
        faults
    }

    fn cycles(&self) -> usize {
        self.packages.iter().map(|found| found.cycles.len()).sum()
    }

    fn visible_duplicates(&self) -> usize {
        self.duplicates.iter().filter(|duplicate| duplicate.is_visible()).count()
    }

    fn show_duplicates(&self, out: &mut Formatter<'_>) -> FmtResult {
        writeln!(
            out,
            "\nType names defined more than once below {HOST}/: {} visible outside of their files, {} in all",
            self.visible_duplicates(),
            self.duplicates.len()
        )?;
        for duplicate in &self.duplicates {
            let note = if duplicate.is_visible() { "" } else { " (not counted)" };
            writeln!(out, "  {}{note}", duplicate.name)?;
            for (file, is_visible) in &duplicate.places {
                writeln!(out, "    {file}{}", if *is_visible { "" } else { " (private)" })?;
            }
        }
        Ok(())
    }

    fn show_lines(&self, out: &mut Formatter<'_>) -> FmtResult {
        writeln!(out, "\nLines of code without tests, comments and blank lines")?;
        let mut all = 0;
        for Findings { package, .. } in &self.packages {
            if is_in_host(&package.name) {
                let lines: usize = package.files.iter().map(|file| file.lines).sum();
                all += lines;
                writeln!(out, "  {}: {lines} in {} files", package.name, package.files.len())?;
            }
        }
        writeln!(out, "  all below {HOST}/: {all}")
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> FmtResult {
        writeln!(out, "Cycles of files: {}", self.cycles())?;
        for found in &self.packages {
            found.fmt(out)?;
        }
        self.show_duplicates(out)?;
        self.show_lines(out)
    }
}

impl Findings {
    /// The paths of the files of each cycle, sorted.
    fn paths(&self) -> Vec<Vec<&str>> {
        let mut cycles = Vec::new();
        for cycle in &self.cycles {
            let mut paths: Vec<_> = cycle.iter().map(|&file| self.path(file)).collect();
            paths.sort_unstable();
            cycles.push(paths);
        }
        cycles.sort();
        cycles
    }

    fn path(&self, file: usize) -> &str {
        &self.package.files[file].path
    }

    /// The edges between these files, as lines of text.
    fn ties(&self, cycle: &[&str]) -> Vec<String> {
        let mut ties = Vec::new();
        for (&(from, to), names) in &self.edges {
            let (from, to) = (self.path(from), self.path(to));
            if cycle.contains(&from) && cycle.contains(&to) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                ties.push(format!("{from} -> {to}: {}", names.join(", ")));
            }
        }
        ties.sort();
        ties
    }
}

impl Display for Findings {
    fn fmt(&self, out: &mut Formatter<'_>) -> FmtResult {
        let (cycles, files) = (self.cycles.len(), self.package.files.len());
        writeln!(out, "  {}: {cycles} in {files} files", self.package.name)?;
        for cycle in self.paths() {
            writeln!(out, "    a cycle of {} files", cycle.len())?;
            for path in &cycle {
                writeln!(out, "      {path}")?;
            }
            for tie in self.ties(&cycle) {
                writeln!(out, "      {tie}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The report of a workspace whose package in `host` has these modules.
    fn report(a: &str, b: &str) -> Result<Report> {
        let workspace = tempfile::tempdir()?;
        fs::create_dir_all(workspace.path().join("host/src"))?;
        fs::write(workspace.path().join("host/Cargo.toml"), "")?;
        fs::write(workspace.path().join("host/src/a.rs"), a)?;
        fs::write(workspace.path().join("host/src/b.rs"), b)?;
        for package in packages(workspace.path())? {
            let source = workspace.path().join(package).join("src");
            fs::create_dir_all(&source)?;
            let has_modules = source.join("a.rs").exists();
            fs::write(source.join("lib.rs"), if has_modules { "mod a; mod b;" } else { "" })?;
        }
        Report::of(workspace.path())
    }

    #[test]
    fn a_cycle_is_a_fault_and_is_shown_with_its_names() -> Result<()> {
        let report = report("pub struct A(crate::b::B);", "use crate::a; pub struct B(a::A);")?;
        assert_eq!(report.faults(), ["1 import cycles, 0 are allowed"]);
        let text = report.to_string();
        assert!(text.contains("      host/src/a.rs -> host/src/b.rs: B\n"), "{text}");
        assert!(text.contains("  all below host/: 3\n"), "{text}");
        Ok(())
    }

    #[test]
    fn some_duplicate_names_are_allowed() -> Result<()> {
        let five = "pub struct A; pub struct B; pub struct C; pub struct D; pub struct E;";
        let six = format!("{five} pub struct F;");
        assert!(report(five, &six)?.faults().is_empty());
        assert_eq!(
            report(&six, &six)?.faults(),
            ["6 type names are defined more than once, 5 are allowed"]
        );
        Ok(())
    }
}
