//! Set-up, demonstration, tests and benchmarks: `cargo xtask drivers | test | lint | fuzz | demo | torture | guard | bench |
//! bindings | package | docs | plots | c-library | python | msrv | structure`.

mod bench;
mod bindings;
mod c_library;
mod command;
mod components;
mod demo;
mod docs;
mod drivers;
mod examples;
mod fuzz;
mod layers;
mod memory_dir;
mod optional;
mod package;
mod paths;
mod plots;
mod python;
mod run;
mod series;
mod steps;
mod structure;
mod test_programs;
mod torture;
mod verdicts;

use anyhow::{Result, bail};
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  drivers      install the toolchain for drivers if it is missing, build them, and show what each imports
  test         check formatting, structure and the book, and run all tests; continues after a failure, and lists the
               failures at the end
  test --full  check lints and documentation, and run the tests that `test` omits: they need servers or other languages,
               or they fuzz; a change is merged when both pass
  lint         check formatting, lints and documentation only
  fuzz         fuzz the parsers of untrusted input: [TARGET...], all targets by default;
               [--for 60s] for each target, without it until stopped
  demo [FILE]  build target/release/image-cache, and use it on a real image, step by step
  torture      test every crash, fault, power loss and full disk, random damage, and many processes:
               [crash] [fault] [power] [disk] [corruption] [processes], all parts by default
  guard        compare the instruction counts of the hot paths with the stored counts; --save stores the new counts
  bench        compare image-cache with its peers, and print one table: [NAME...], all by default;
               [--save] to BENCHMARKS.md; [--quick] [--long]
  bindings     write the Rust code of the interfaces in wit/, for the engine and the SDK; --check compares it
  docs         write the generated manuals, docs/configuration.md and docs/image-cache.1; --check compares them
  package      make the packages that are published, with the built-in drivers; build a project outside of the workspace
               from them, offline and without a toolchain for drivers, and run its program
  plots        replay made traces through the policies, and write the plots and the table of docs/choosing-a-policy.md;
               --check only compares the table
  c-library    build libimage_cache, and install it with its header and the file for pkg-config: [PREFIX] [--profile NAME];
               the default is target/c
  python       build the wheel of the Python package, and test it in clean environments, also against Glance;
               --wheel [--profile NAME] only builds it, in the profile release by default, into target/python/wheels
  msrv         check that the minimum Rust version in Cargo.toml (`rust-version`) compiles the workspace
  structure    show import cycles, type names that are defined more than once, and lines of code;
               --check fails if any of them is not allowed";

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
        ["lint"] => steps::lint(),
        ["guard"] => steps::guard(false),
        ["guard", "--save"] => steps::guard(true),
        ["bench", rest @ ..] => bench::run(rest),
        ["bindings"] => bindings::run(false),
        ["bindings", "--check"] => bindings::run(true),
        ["docs"] => docs::run(false),
        ["docs", "--check"] => docs::run(true),
        ["package"] => package::run(),
        ["plots"] => plots::run(false),
        ["plots", "--check"] => plots::run(true),
        ["c-library", rest @ ..] => c_library::run(rest),
        ["python", rest @ ..] => python::run(rest),
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
