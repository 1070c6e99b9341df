//! `cargo xtask bench`: runs the selected measurements, collects the rows, prints one table, and saves it.

mod machine;
mod page;
mod rows;

use crate::{command, drivers};
use anyhow::{Context, Result, bail};
use image_cache_guest_toolchain::Workspace;
use rows::Rows;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Builds the benchmark program and the command line that it measures: in one step, with the same features, in the profile of a
/// release.
const BUILD: [&str; 10] = [
    "build",
    "--profile",
    "dist",
    "--workspace",
    "--all-features",
    "--locked",
    "--bench",
    "peers",
    "--bin",
    "image-cache",
];

/// Builds only the benchmark program; with `--names` it lists the measurements.
const PROGRAM: [&str; 8] =
    ["bench", "--profile", "dist", "--workspace", "--all-features", "--locked", "--bench", "peers"];

/// Variables for the benchmark program: the file to which it appends rows, and whether it stores its plot.
const ROWS: &str = "IMAGE_CACHE_BENCH_ROWS";
const SAVE: &str = "IMAGE_CACHE_BENCH_SAVE";

const USAGE: &str = "\
usage: cargo xtask bench [NAME...] [--save] [--quick] [--long]

  NAME     run the measurements whose names contain NAME; all by default
  --save   write the table of all measurements and a description of the machine to BENCHMARKS.md, and the plot to docs/growth.svg
  --quick  measure less, for work on the benchmarks
  --long   also run measurements of peers that take many minutes";

/// The parsed arguments.
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
            bail!("--save stores figures, and those of --quick mean nothing: use only one of them");
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

    /// Returns an error if a name matches no measurement.
    fn of_these(&self, all: &[String]) -> Result<()> {
        let is_strange = |part: &&&str| !all.iter().any(|name| name.contains(**part));
        let strange: Vec<&str> = self.names.iter().filter(is_strange).copied().collect();
        if !strange.is_empty() {
            bail!(
                "nothing is measured under {}; there are: {}",
                strange.join(", "),
                all.join(", ")
            );
        }
        Ok(())
    }
}

/// Runs the selected measurements. If one fails, the others still run; the error is returned at the end.
pub fn run(arguments: &[&str]) -> Result<()> {
    if let [.., "--help" | "-h"] = arguments {
        println!("{USAGE}");
        return Ok(());
    }
    let asked = Asked::parse(arguments)?;
    drivers::toolchain()?;
    command::step("Benchmarks", command::cargo(&BUILD))?;
    asked.of_these(&names()?)?;
    let workspace = Workspace::of_this_package()?;
    let rows = workspace.target.join("bench-rows.jsonl");
    fs::write(&rows, "").with_context(|| format!("writing {}", rows.display()))?;
    let start = Instant::now();
    let measured = command::step("Measures", measures(&asked, &rows));
    let rows = Rows::read(&rows)?;
    println!("\n{}", rows.table());
    let (took, missed, missing) = (start.elapsed(), rows.missed(), rows.missing());
    println!(
        "{} rows in {:.0} s; {} targets missed; {} peers missing",
        rows.count(),
        took.as_secs_f64(),
        missed,
        missing
    );
    match measured {
        Ok(()) if asked.save => page::save(&workspace.root, &rows, took),
        Ok(()) => Ok(()),
        Err(error) if asked.save => {
            Err(error.context("nothing is saved, because some measurements failed"))
        }
        Err(error) => Err(error.context("some measurements failed")),
    }
}

/// The names of all measurements.
fn names() -> Result<Vec<String>> {
    let mut list = program();
    list.arg("--names").stderr(std::process::Stdio::inherit());
    let output = list.output().context("cargo does not run")?;
    if !output.status.success() {
        bail!("the benchmark does not list its names ({})", output.status);
    }
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

/// The benchmark program with the same build options as before.
fn program() -> Command {
    let mut command = command::cargo(&PROGRAM);
    command.args(["--quiet", "--"]);
    command
}

fn measures(asked: &Asked<'_>, rows: &PathBuf) -> Command {
    let mut command = program();
    command.args(&asked.names);
    command.args(asked.long.then_some("--long")).args(asked.quick.then_some("--quick"));
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
    fn contradictory_and_unknown_arguments_are_refused_with_a_message() {
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
        let all = ["hit_sqlite".to_owned(), "tee_4_kib".to_owned()];
        Asked::parse(&["hit", "--long"])?.of_these(&all)?;
        let strange = Asked::parse(&["hit", "miss"])?.of_these(&all).map_err(|e| e.to_string());
        let words = "nothing is measured under miss; there are: hit_sqlite, tee_4_kib";
        assert_eq!(strange, Err(words.to_owned()));
        Ok(())
    }
}
