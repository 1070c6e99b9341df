//! Set-up, demonstration, tests and benchmarks: `cargo xtask drivers | test | fuzz | demo | torture | guard | bench |
//! docs | msrv | structure`.

mod bench;
mod command;
mod components;
mod demo;
mod docs;
mod drivers;
mod examples;
mod fuzz;
mod layers;
mod optional;
mod paths;
mod run;
mod steps;
mod structure;
mod torture;
mod verdicts;

use anyhow::{Result, bail};
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  drivers      install the toolchain for drivers if it is missing, build them, and show what each imports
  test         formatting, lints, documentation and all tests; all of it, whatever fails, which is listed at the end
  test --full  what `test` leaves out: tests that need servers or other languages, and some seconds of fuzzing;
               a change is taken when both pass
  fuzz         feeds what mutates to the parsers of what others send: [TARGET...], all unless named;
               [--for 60s] each, without it as long as nobody stops it
  demo [FILE]  build target/release/image-cache, and use it on a real image, step by step
  torture      every crash, fault, power loss and full disk, damage at random, and many processes:
               [crash] [fault] [power] [disk] [corruption] [processes], all unless named
  guard        hold the instructions of the hot paths against those that were kept; --save keeps what is found
  bench        ours beside the peers, and one table of all: [NAME...], all unless named; [--save] to BENCHMARKS.md;
               [--quick] [--long]
  docs         write the manuals that are generated: docs/configuration.md and docs/image-cache.1; --check compares them
  msrv         check that the oldest Rust which Cargo.toml names (`rust-version`) compiles the workspace
  structure    circles of files, type names that are defined more than once, and lines of code;
               --check fails on what is not allowed";

fn main() -> ExitCode {
    match run(env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> Result<()> {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["drivers"] => drivers::build_and_show(),
        ["test"] => steps::test(),
        ["test", "--full"] => steps::full(),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["demo"] => demo::run(None),
        ["demo", file] => demo::run(Some(PathBuf::from(file))),
        ["torture", parts @ ..] => torture::run(parts),
        ["guard"] => steps::guard(false),
        ["guard", "--save"] => steps::guard(true),
        ["bench", rest @ ..] => bench::run(rest),
        ["docs"] => docs::run(false),
        ["docs", "--check"] => docs::run(true),
        ["msrv"] => optional::msrv(),
        ["structure"] => structure::show(),
        ["structure", "--check"] => structure::check(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        [] => bail!("no command given\n{USAGE}"),
        _ => bail!("unknown command: {}\n{USAGE}", arguments.join(" ")),
    }
}
