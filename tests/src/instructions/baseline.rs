//! The stored counts, and the differences to new counts.

use super::{Count, Machine};
use crate::Tested;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// A count may differ from the stored count by this share.
pub const TOLERANCE: f64 = 0.03;

/// Counts, and the machine on which they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// The machine.
    pub machine: Machine,
    /// Instructions by a path's name and driver.
    pub counts: BTreeMap<String, u64>,
}

/// A path whose count differs from the stored count.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Name and driver.
    pub path: String,
    /// The stored count; none for a new path.
    pub kept: Option<u64>,
    /// The new count; none for a path that no longer exists.
    pub found: Option<u64>,
}

impl Baseline {
    /// Counts on this machine.
    pub fn new(machine: Machine, counts: &[Count]) -> Baseline {
        let named = |(path, count): &Count| (path.to_string(), *count);
        Baseline { machine, counts: counts.iter().map(named).collect() }
    }

    /// Adds a further count, and keeps the smaller one.
    pub fn lower(&mut self, counts: &[Count]) {
        for (path, count) in counts {
            let known = self.counts.entry(path.to_string()).or_insert(*count);
            *known = (*known).min(*count);
        }
    }

    /// Reads the stored counts.
    pub fn read(path: &Path) -> Tested<Baseline> {
        let file = std::fs::read_to_string(path)?;
        let table: toml::Table = file.parse()?;
        let section = |name: &str| {
            let section = table.get(name).and_then(toml::Value::as_table);
            section.ok_or_else(|| format!("{} has no section {name:?}", path.display()))
        };
        let text = |value: &toml::Value| value.as_str().unwrap_or_default().to_owned();
        let machine = section("machine")?.iter().map(|(name, value)| (name.clone(), text(value)));
        let mut counts = BTreeMap::new();
        for (name, value) in section("instructions")? {
            let count = value.as_integer().and_then(|count| u64::try_from(count).ok());
            counts.insert(name.clone(), count.ok_or_else(|| format!("{name} is no count"))?);
        }
        Ok(Baseline { machine: Machine(machine.collect()), counts })
    }

    /// Stores the counts.
    pub fn write(&self, path: &Path) -> Tested {
        std::fs::write(path, self.to_string())?;
        Ok(())
    }

    /// Every path whose count differs by more than [`TOLERANCE`], up or down: if the stored count is too high, later growth would
    /// not be noticed.
    pub fn differences(&self, found: &Baseline) -> Vec<Difference> {
        let names: std::collections::BTreeSet<_> =
            self.counts.keys().chain(found.counts.keys()).collect();
        let difference = |path: &String| {
            let (kept, found) = (self.counts.get(path).copied(), found.counts.get(path).copied());
            Difference { path: path.clone(), kept, found }
        };
        names.into_iter().map(difference).filter(|d| !d.is_within(TOLERANCE)).collect()
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Instructions of the hot paths (tests/src/instructions/paths.rs), as callgrind counts them."
        )?;
        writeln!(
            f,
            "# `cargo xtask test` checks that each new count is within 3 %; `cargo xtask guard --save` stores new counts here."
        )?;
        writeln!(f, "\n[machine]")?;
        for (name, value) in &self.machine.0 {
            writeln!(f, "{name} = {}", toml::Value::from(value.as_str()))?;
        }
        writeln!(f, "\n[instructions]")?;
        self.counts.iter().try_for_each(|(path, count)| writeln!(f, "{path:?} = {count}"))
    }
}

impl Difference {
    /// Some of the differences, with a heading.
    pub fn table(differences: &[Difference]) -> String {
        let heading = format!("{:<30} {:>14} {:>14} {:>9}\n", "path", "kept", "found", "more");
        let line = |table: String, difference| format!("{table}{difference}\n");
        differences.iter().fold(heading, line)
    }

    fn is_within(&self, tolerance: f64) -> bool {
        let both = self.kept.zip(self.found);
        both.is_some_and(|(kept, found)| found.abs_diff(kept) as f64 <= tolerance * kept as f64)
    }

    /// The increase as a share of the stored count.
    fn share(&self) -> Option<f64> {
        let (kept, found) = (self.kept? as f64, self.found? as f64);
        Some(found / kept - 1.0)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |count: Option<u64>| count.map_or("none".into(), |count| count.to_string());
        let share = self.share().map_or(String::new(), |share| format!("{:+.1} %", share * 100.0));
        let (kept, found) = (number(self.kept), number(self.found));
        write!(f, "{:<30} {kept:>14} {found:>14} {share:>9}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(counts: &[(&str, u64)]) -> Baseline {
        let counts = counts.iter().map(|(path, count)| (path.to_string(), *count)).collect();
        let machine = Machine([("rustc".to_owned(), "rustc 1 \"x\"".to_owned())].into());
        Baseline { machine, counts }
    }

    #[test]
    fn counts_that_differ_by_more_than_three_percent_are_reported() {
        let kept = baseline(&[("a", 1000), ("b", 1000), ("c", 1000), ("d", 1000), ("gone", 1)]);
        let found = baseline(&[("a", 1030), ("b", 1031), ("c", 970), ("d", 969), ("new", 1)]);
        let told: Vec<_> = kept.differences(&found).into_iter().map(|d| d.path).collect();
        assert_eq!(told, ["b", "d", "gone", "new"]);
    }

    #[test]
    fn written_counts_can_be_read() -> Tested {
        let scratch = tempfile::tempdir()?;
        let (path, kept) = (scratch.path().join("kept.toml"), baseline(&[("hit sqlite", 7)]));
        kept.write(&path)?;
        assert_eq!(Baseline::read(&path)?, kept);
        Ok(())
    }
}
