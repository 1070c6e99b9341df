//! `BENCHMARKS.md`: generated from the rows, except for the manually written text after its marker.

use super::machine;
use super::rows::Rows;
use anyhow::{Context, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// Everything after this line is kept.
const MARKER: &str = "<!-- tried -->";

/// The initial text of this part on a new page.
const TRIED: &str = "\
## What was tried

This section lists changes that were made to improve these figures, and their effect, including failed attempts.
";

/// Writes the page to the root of the workspace.
pub fn save(root: &Path, rows: &Rows, took: Duration) -> Result<()> {
    let path = root.join("BENCHMARKS.md");
    let before = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("reading {}", path.display()))?,
    };
    let page = page(rows, &machine::described(&root.join("target")), took, &by_hand(&before));
    let new = path.with_extension("md.new");
    fs::write(&new, page).with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, &path).with_context(|| format!("writing {}", path.display()))?;
    println!("Saved to {}", path.display());
    Ok(())
}

/// The manually written part: from the marker on, or from its heading if the marker was removed.
fn by_hand(before: &str) -> String {
    let heading = TRIED.lines().next().unwrap_or_default();
    if let Some((_, kept)) = before.split_once(MARKER) {
        return kept.trim_start().to_owned();
    }
    before.find(heading).map_or(TRIED, |at| &before[at..]).to_owned()
}

fn page(rows: &Rows, machine: &str, took: Duration, by_hand: &str) -> String {
    let (count, missed, missing) = (rows.count(), rows.missed(), rows.missing());
    let minutes = took.as_secs().div_ceil(60);
    let table = rows.markdown();
    format!(
        "\
# Benchmarks

`cargo xtask bench --save` wrote this page, in one run of {minutes} minutes. image-cache and its peers are measured in turns on the
same data and the same disk. A figure is the median of its samples, with the smallest and the largest sample in brackets; a ratio is our figure divided by the
peer's. Unless a row states otherwise, image-cache has its default options: it syncs, verifies and limits. The peers are real packages: Glance 33.0.0 from PyPI
through its library (`tests/fixtures/glance/measure.py`; the database of its driver `centralized_db` is an SQLite file), nginx from
Debian, OpenSSL, the crates md-5, fast-md5 and sha2, SQLite and attributes without a component.

{count} rows; {missed} targets missed, {missing} peers missing (bold).

| the machine | |
| --- | --- |
{machine}
## Rows

{table}
## Growth

What an operation costs as the cache grows, from a thousand images to a million (`cargo xtask bench growth`):

![Cost of a hit, a page of the list, an eviction and opening, by the number of cached images](docs/growth.svg)

{MARKER}
{by_hand}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manually_written_part_is_kept() -> Result<()> {
        let scratch = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/xtask-page");
        fs::create_dir_all(&scratch)?;
        let file = scratch.join("rows");
        fs::write(&file, "")?;
        let rows = Rows::read(&file)?;
        let new = page(&rows, "", Duration::ZERO, &by_hand(""));
        assert!(new.ends_with(TRIED));
        let kept = format!("{new}\n- a ring: 5 %\n  with {MARKER} in its text\n");
        let again = page(&rows, "", Duration::ZERO, &by_hand(&kept));
        assert_eq!(again, kept);
        let without = kept.replacen(&format!("{MARKER}\n"), "", 1);
        assert!(by_hand(&without.replace(MARKER, "")).contains("- a ring: 5 %"));
        Ok(())
    }
}
