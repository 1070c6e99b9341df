//! The table in the page "Choosing a policy": the shares of requests and bytes that each policy serves from the cache.

use super::candidates::all;
use super::made_trace::TRACES;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The lines around the table.
const BEGIN: &str = "<!-- `cargo xtask plots` writes this table. -->\n";
const END: &str = "<!-- The end of the table. -->\n";

/// The sizes of the cache in the table.
pub const SIZES_OF_TABLE: [&str; 2] = ["8GB", "32GB"];

/// The same in bytes.
const BYTES: [u64; 2] = [8_000_000_000, 32_000_000_000];

/// The reference below the drivers.
const BELADY: &str = "reference:belady";

/// Results by the name of the trace, the driver and the size.
#[derive(Debug, Default)]
pub struct Results(BTreeMap<(String, String, u64), String>);

impl Results {
    /// Adds the results of `driver simulate` in JSON.
    pub fn add(&mut self, trace: &str, json: &[u8]) -> Result<()> {
        let results: Vec<Value> = serde_json::from_slice(json).context("the simulation's JSON")?;
        for result in &results {
            let number = |field: &str| {
                result[field].as_u64().with_context(|| format!("{field} is missing in {result}"))
            };
            let driver = result["driver"].as_str().context("a result without a driver")?;
            let share = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
            let cell = format!(
                "{:.1} / {:.1}",
                share(number("hits")?, number("requests")?),
                share(number("hit_bytes")?, number("bytes")?)
            );
            self.0.insert((trace.to_owned(), driver.to_owned(), number("size")?), cell);
        }
        Ok(())
    }

    /// A row for each policy.
    pub fn markdown(&self) -> Result<String> {
        let mut table = String::from("| policy |");
        for made in &TRACES {
            for size in SIZES_OF_TABLE {
                write!(table, " {}, {} |", made.name, size.replace("GB", " GB"))?;
            }
        }
        table += "\n|---|";
        table += &"---|".repeat(TRACES.len() * SIZES_OF_TABLE.len());
        table += "\n";
        for driver in all().into_iter().map(|candidate| candidate.name).chain([BELADY]) {
            write!(table, "| `{driver}` |")?;
            for made in &TRACES {
                for size in BYTES {
                    let key = (made.name.to_owned(), driver.to_owned(), size);
                    let cell = self.0.get(&key);
                    let cell = cell.with_context(|| format!("there is no result of {key:?}"))?;
                    write!(table, " {cell} |")?;
                }
            }
            table += "\n";
        }
        Ok(table)
    }
}

/// Writes the table into the page; with `check` it returns an error instead if the page has another one.
pub fn write(page: &Path, table: &str, check: bool) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let (before, present, after) = parts(&text)?;
    if present.trim() == table.trim() {
        return Ok(());
    }
    if check {
        bail!("the table in {} is outdated: run `cargo xtask plots`\n{table}", page.display());
    }
    fs::write(page, format!("{before}{BEGIN}\n{table}\n{END}{after}"))
        .with_context(|| format!("writing {}", page.display()))
}

/// What is before the table, the table, and what is after it.
fn parts(page: &str) -> Result<(&str, &str, &str)> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        rest.split_once(END).map(|(table, after)| (before, table, after))
    });
    parts.with_context(|| format!("the page has no lines {BEGIN:?} and {END:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_row_for_each_policy_and_replaces_the_one_before() -> Result<()> {
        let mut results = Results::default();
        for made in &TRACES {
            for (driver, size) in all()
                .into_iter()
                .map(|it| it.name)
                .chain([BELADY])
                .flat_map(|it| BYTES.map(|size| (it, size)))
            {
                let json = format!(
                    "[{{\"driver\":\"{driver}\",\"size\":{size},\"requests\":8,\"hits\":5,\"bytes\":80,\"hit_bytes\":10}}]"
                );
                results.add(made.name, json.as_bytes())?;
            }
        }
        let table = results.markdown()?;
        assert_eq!(table.lines().count(), 2 + all().len() + 1);
        assert!(table.contains("| `two-hit-sieve` | 62.5 / 12.5 |"), "{table}");
        let place = tempfile::tempdir()?;
        let page = place.path().join("page.md");
        fs::write(&page, format!("# Page\n\n{BEGIN}old\n{END}rest\n"))?;
        assert!(write(&page, &table, true).is_err(), "it is outdated");
        write(&page, &table, false)?;
        write(&page, &table, true)?;
        let text = fs::read_to_string(&page)?;
        assert!(text.starts_with("# Page\n") && text.ends_with("rest\n"), "{text}");
        assert!(!text.contains("old"), "{text}");
        fs::write(&page, "# Page\n")?;
        assert!(write(&page, &table, false).is_err(), "there is no place for it");
        Ok(())
    }

    #[test]
    fn a_missing_result_is_named() {
        let words = Results::default().markdown().expect_err("there is none").to_string();
        assert!(words.contains("sqlite") && words.contains("steady"), "{words}");
    }
}
