//! The graph of the files of a package: which file uses which names of which other file.

use crate::structure::graph;
use crate::structure::modules::Package;
use crate::structure::resolve::{Resolver, Target};
use crate::structure::uses;
use std::collections::{BTreeMap, BTreeSet};

/// The names that one file uses of another, by the numbers of both.
pub type Edges = BTreeMap<(usize, usize), BTreeSet<String>>;

/// The edges between the files of a package.
pub fn edges(package: &Package) -> Edges {
    let mut edges = Edges::new();
    for number in 0..package.modules.len() {
        let file = package.modules[number].file;
        for (owner, name) in used_items(package, number) {
            let target = package.modules[owner].file;
            if target != file {
                edges.entry((file, target)).or_default().insert(name);
            }
        }
    }
    edges
}

/// The cycles of files, each as the numbers of its files.
pub fn cycles(package: &Package, edges: &Edges) -> Vec<Vec<usize>> {
    let mut successors = vec![Vec::new(); package.files.len()];
    for &(from, to) in edges.keys() {
        successors[from].push(to);
    }
    graph::cycles(&successors)
}

/// The items that a module uses, each with the number of the module that defines it.
fn used_items(package: &Package, module: usize) -> BTreeSet<(usize, String)> {
    let source = &package.modules[module];
    let mut resolver = Resolver::new(package);
    let mut used = BTreeSet::new();
    for path in uses::paths(&source.items) {
        add(resolver.resolve(module, &path), &mut used);
    }
    for path in &source.names.used_imports {
        let targets = resolver.resolve(module, path);
        // If the import also refers to a module, only the code determines which of the two is used.
        if !targets.iter().any(|target| matches!(target, Target::Module(_))) {
            add(targets, &mut used);
        }
    }
    for path in &source.names.unnamed_imports {
        let mut targets = resolver.resolve(module, path);
        targets.retain(|target| is_trait(package, target));
        add(targets, &mut used);
    }
    used
}

/// Adds the targets that are items.
fn add(targets: Vec<Target>, used: &mut BTreeSet<(usize, String)>) {
    for target in targets {
        if let Target::Item(owner, name) = target {
            used.insert((owner, name));
        }
    }
}

fn is_trait(package: &Package, target: &Target) -> bool {
    match target {
        Target::Item(owner, name) => package.modules[*owner].names.traits.contains(name),
        Target::Module(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Result;
    use std::fs;

    /// Reads a package of these files, and shows its edges and the sizes of its cycles.
    fn read(files: &[(&str, &str)]) -> Result<(Vec<String>, Vec<usize>)> {
        let workspace = tempfile::tempdir()?;
        for (path, text) in files {
            let path = workspace.path().join("p/src").join(path);
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::write(path, text)?;
        }
        let package = Package::read(workspace.path(), "p")?;
        let edges = edges(&package);
        let cycles = cycles(&package, &edges).iter().map(Vec::len).collect();
        let short = |file: usize| package.files[file].path.replace("p/src/", "").replace(".rs", "");
        let shown = edges.iter().map(|(&(from, to), names)| {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            format!("{} -> {}: {}", short(from), short(to), names.join(", "))
        });
        let mut shown: Vec<_> = shown.collect();
        shown.sort();
        Ok((shown, cycles))
    }

    #[test]
    fn a_cycle_through_a_re_export_is_found() -> Result<()> {
        let (edges, cycles) = read(&[
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::*;"),
            ("a.rs", "use crate::B; pub struct A(B);"),
            ("b.rs", "pub struct B; impl B { fn f(_: crate::A) {} }"),
        ])?;
        assert_eq!(edges, ["a -> b: B", "b -> a: A"]);
        assert_eq!(cycles, [2]);
        Ok(())
    }

    #[test]
    fn a_parent_that_only_re_exports_is_in_no_cycle() -> Result<()> {
        let (edges, cycles) = read(&[
            ("lib.rs", "mod a;"),
            ("a.rs", "mod x; mod y; pub use x::X; pub(crate) use self::y::y; use y::Z;"),
            ("a/x.rs", "pub struct X; fn f() { super::y() } impl super::Z for X {}"),
            ("a/y.rs", "pub fn y() {} pub struct Z;"),
        ])?;
        assert_eq!(edges, ["a/x -> a/y: Z, y"]);
        assert!(cycles.is_empty());
        Ok(())
    }

    #[test]
    fn a_child_that_uses_a_definition_of_its_parent_is_a_cycle() -> Result<()> {
        let (edges, cycles) = read(&[
            ("lib.rs", "mod a;"),
            (
                "a/mod.rs",
                "mod x; use x::{Helper, Work}; pub struct A; fn f(a: A) { Helper::of(a) }",
            ),
            ("a/x.rs", "use super::A; pub struct Helper; pub trait Work {} fn f(_: A) {}"),
        ])?;
        assert_eq!(edges, ["a/mod -> a/x: Helper, Work", "a/x -> a/mod: A"]);
        assert_eq!(cycles, [2]);
        Ok(())
    }

    #[test]
    fn test_code_makes_no_edges() -> Result<()> {
        let (edges, cycles) = read(&[
            ("lib.rs", "mod a; mod b; #[cfg(test)] mod gone;"),
            ("a.rs", "mod tests; pub struct A(crate::b::B);"),
            ("a/tests.rs", "use crate::b::B;"),
            ("b.rs", "pub struct B; #[cfg(test)] mod t { use crate::a::A; fn f(_: A) {} }"),
        ])?;
        assert_eq!(edges, ["a -> b: B"]);
        assert!(cycles.is_empty());
        Ok(())
    }

    #[test]
    fn inline_modules_macros_and_local_imports_are_resolved() -> Result<()> {
        let (edges, _) = read(&[
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            (
                "a.rs",
                "mod i { fn f() { use super::super::b; b::g(); } } fn f() { m!(crate::c::C) }",
            ),
            ("b.rs", "pub fn g() { let d = 1; d; crate::d::made(); call!() }"),
            ("c.rs", "#[macro_export] macro_rules! call { () => { $crate::d::D } } pub struct C;"),
            ("d.rs", "pub type D = u8; generate!();"),
        ])?;
        let expected = ["a -> b: g", "a -> c: C", "b -> d: made", "c -> d: D"];
        assert_eq!(edges, expected);
        Ok(())
    }

    #[test]
    fn a_module_is_distinguished_from_a_function_of_the_same_name() -> Result<()> {
        let (edges, cycles) = read(&[
            ("lib.rs", "mod a; mod run; fn run() { a::f(run::Run) }"),
            ("a.rs", "use crate::run; pub fn f(_: run::Run) { crate::run::Run; }"),
            ("run.rs", "pub struct Run;"),
        ])?;
        assert_eq!(edges, ["a -> run: Run", "lib -> a: f", "lib -> run: Run"]);
        assert!(cycles.is_empty());
        Ok(())
    }
}
