//! `cargo xtask bench`: runs the benchmarks that are picked, collects their rows, prints one table of all, and saves it.

mod machine;
mod page;
mod rows;

use crate::{drivers, steps};
use anyhow::{Context, Result, bail};
use image_cache_guest_toolchain::Workspace;
use rows::Rows;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The benchmarks, each of which lists what it measures when it is asked for `--names`.
const BENCHES: [&str; 5] = ["library", "driver", "process", "hostile", "serve"];

/// Draws a plot, and is picked by its name.
const GROWTH: &str = "growth";

/// Where a benchmark finds the file that it adds its rows to, and whether what it draws is kept.
const ROWS: &str = "IMAGE_CACHE_BENCH_ROWS";
const SAVE: &str = "IMAGE_CACHE_BENCH_SAVE";

const USAGE: &str = "\
usage: cargo xtask bench [NAME...] [--save] [--quick] [--long]

  NAME     measures whose names have this in them; all, unless some are named
  --save   writes the table of all, with this machine, to BENCHMARKS.md, and the plot to docs/growth.svg
  --quick  does less of everything: for who works on the benchmarks
  --long   waits for the peers also where they take many minutes";

/// What the arguments ask for.
#[derive(Debug, Default, PartialEq)]
struct Asked<'a> {
    names: Vec<&'a str>,
    save: bool,
    quick: bool,
    long: bool,
}

impl<'a> Asked<'a> {
    fn parse(arguments: &[&'a str]) -> Result<Asked<'a>> {
        let mut asked = Asked::default();
        for argument in arguments {
            match *argument {
                "--save" => asked.save = true,
                "--quick" => asked.quick = true,
                "--long" => asked.long = true,
                option if option.starts_with('-') => bail!("unknown option {option}\n{USAGE}"),
                "" => bail!("an empty name picks nothing\n{USAGE}"),
                name => asked.names.push(name),
            }
        }
        if asked.save && asked.quick {
            bail!("--save keeps figures, and those of --quick mean nothing: leave one of them out");
        }
        if asked.save && !asked.names.is_empty() {
            let names = asked.names.join(", ");
            bail!(
                "--save writes the table of one whole run, and {names} would be a part of one: \
                 leave the names out, or --save"
            );
        }
        Ok(asked)
    }

    fn picks(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|part| name.contains(part))
    }
}

/// Runs what is asked for. A benchmark that fails does not keep the others from being run; at the end it is an error.
pub fn run(arguments: &[&str]) -> Result<()> {
    if let [.., "--help" | "-h"] = arguments {
        println!("{USAGE}");
        return Ok(());
    }
    let asked = Asked::parse(arguments)?;
    drivers::toolchain()?;
    let benches = picked(&asked)?;
    let workspace = Workspace::of_this_package()?;
    let rows = workspace.target.join("bench-rows.jsonl");
    fs::write(&rows, "").with_context(|| format!("writing {}", rows.display()))?;
    let start = Instant::now();
    let failed: Vec<String> = benches
        .iter()
        .filter_map(|bench| steps::step(bench, command(bench, &asked, &rows)).err())
        .map(|error| format!("{error:#}"))
        .collect();
    let rows = Rows::read(&rows)?;
    println!("\n{}", rows.table());
    let (took, missed, missing) = (start.elapsed(), rows.missed(), rows.missing());
    println!(
        "{} rows in {:.0} s; {} limits missed; {} peers missing",
        rows.count(),
        took.as_secs_f64(),
        missed,
        missing
    );
    if asked.save && failed.is_empty() {
        page::save(&workspace.root, &rows, took)?;
    }
    match &failed[..] {
        [] => Ok(()),
        all if asked.save => {
            bail!("nothing is saved, for not all was measured: {}", all.join("; "))
        }
        all => bail!("not all was measured: {}", all.join("; ")),
    }
}

/// Builds all of them, and answers those that have something to measure under the names.
fn picked(asked: &Asked<'_>) -> Result<Vec<&'static str>> {
    let mut build = steps::cargo(&["bench", "--workspace", "--all-features", "--locked"]);
    build.arg("--no-run").args(BENCHES.iter().flat_map(|bench| ["--bench", bench]));
    steps::step("Benchmarks", build)?;
    let (mut all, mut benches) = (vec![GROWTH.to_owned()], Vec::new());
    for bench in BENCHES {
        let names = names(bench)?;
        if names.iter().any(|name| asked.picks(name)) {
            benches.push(bench);
        }
        all.extend(names);
    }
    let strange = asked.names.iter().filter(|part| !all.iter().any(|name| name.contains(**part)));
    let strange: Vec<&str> = strange.copied().collect();
    if !strange.is_empty() {
        bail!("nothing is measured under {}; there are: {}", strange.join(", "), all.join(", "));
    }
    if asked.picks(GROWTH) {
        benches.push(GROWTH);
    }
    Ok(benches)
}

/// What a benchmark measures.
fn names(bench: &str) -> Result<Vec<String>> {
    let mut list = of_workspace(bench);
    list.arg("--names").stderr(std::process::Stdio::inherit());
    let output = list.output().context("cargo does not run")?;
    if !output.status.success() {
        bail!("the benchmark {bench} does not list its names ({})", output.status);
    }
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

/// As all is built, so that nothing is built twice.
fn of_workspace(bench: &str) -> Command {
    let mut command = steps::cargo(&["bench", "--quiet", "--workspace", "--all-features"]);
    command.args(["--locked", "--bench", bench, "--"]);
    command
}

fn command(bench: &str, asked: &Asked<'_>, rows: &PathBuf) -> Command {
    let mut command = of_workspace(bench);
    if bench != GROWTH {
        command.args(&asked.names).args(asked.long.then_some("--long"));
    }
    // What serves has one pace.
    if bench != "serve" {
        command.args(asked.quick.then_some("--quick"));
    }
    command.env(ROWS, rows);
    if asked.save {
        command.env(SAVE, "1");
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_or_is_unknown_is_refused_with_words() {
        for (arguments, words) in [
            (&["--save", "hit"][..], "leave the names out"),
            (&["--save", "--quick"], "mean nothing"),
            (&["--fast"], "unknown option --fast"),
            (&[""], "picks nothing"),
        ] {
            let refused = Asked::parse(arguments).map_err(|error| error.to_string());
            assert!(refused.as_ref().is_err_and(|why| why.contains(words)), "{refused:?}");
        }
    }

    #[test]
    fn names_pick_by_a_part() -> Result<()> {
        let asked = Asked::parse(&["hit", "--long"])?;
        assert!(asked.long && asked.picks("hit_sqlite") && !asked.picks("tee_4_kib"));
        assert!(Asked::parse(&[])?.picks("anything"));
        Ok(())
    }
}
