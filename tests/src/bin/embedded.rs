//! A program that embeds the cache, for tests of what that does to its process: `embedded SCENARIO DRIVER DIR`. It prints a line for each
//! finding, a name and a value.

use image_cache_tests::embedded;
use std::process::ExitCode;

fn main() -> ExitCode {
    image_cache_tests::ended(run())
}

fn run() -> image_cache_tests::Tested {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scenario, driver, dir] = &arguments[..] else {
        return Err("usage: embedded SCENARIO DRIVER DIR".into());
    };
    embedded::run(scenario, driver, dir.as_ref())
}
