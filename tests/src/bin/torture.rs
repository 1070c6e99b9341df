//! All torture tests: every call killed and failed, every state after a power loss, every amount of free space, random damage,
//! and many processes that run all operations for a minute.
//!
//! `torture [crash] [fault] [power] [disk] [corruption] [processes] [OPERATION]`: the parts and the operation (`add`, `"get, to a
//! file"`) to run, all by default. It tests the programs in its own directory.

use image_cache_tests::{TempCache, Tested, corruption, processes};
use std::process::ExitCode;
use std::time::{Instant, UNIX_EPOCH};

/// The number of damaged images with each driver.
const DAMAGES: u64 = 10_000;

/// The running time of the processes with each driver.
const SECONDS: u64 = 60;

fn main() -> ExitCode {
    // This program was started as one of the processes.
    let result = if processes::is_one() { processes::one().map(|()| true) } else { run() };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Tested<bool> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let all = names.is_empty();
    let mut is_named = |part: &str| {
        let before = names.len();
        names.retain(|name| name != part);
        all || names.len() < before
    };
    let (with_corruption, with_processes) = (is_named("corruption"), is_named("processes"));
    let mut done = true;
    if all || !names.is_empty() {
        done &= at_calls(&names)?;
    }
    if with_corruption {
        done &= damages()?;
    }
    if with_processes {
        done &= many_processes()?;
    }
    Ok(done)
}

/// Damage on disk.
fn damages() -> Tested<bool> {
    for driver in ["sqlite", "xattr"] {
        let (start, seed) = (Instant::now(), UNIX_EPOCH.elapsed()?.subsec_nanos().into());
        match corruption::corrupt(&TempCache::in_memory(driver), DAMAGES, seed) {
            Ok(damages) => {
                let took = start.elapsed().as_secs_f64();
                println!("\nCorruption, {driver}: {damages}, seed {seed}  {took:.0} s");
            }
            Err(error) => {
                println!("FAILED: corruption, {driver}, seed {seed}: {error}");
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Many concurrent processes, on a disk and in memory.
fn many_processes() -> Tested<bool> {
    for (driver, temp) in
        [("sqlite", TempCache::new as fn(_) -> _), ("xattr", TempCache::in_memory)]
    {
        let (start, seed) = (Instant::now(), UNIX_EPOCH.elapsed()?.subsec_nanos().into());
        let run = processes::Run { seconds: SECONDS, seed, arguments: &[] };
        match run.on(&temp(driver)) {
            Ok(report) => {
                println!("\n{report}, seed {seed}  {:.0} s", start.elapsed().as_secs_f64())
            }
            Err(error) => {
                println!("FAILED: {driver}, seed {seed}: {error}");
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn at_calls(names: &[String]) -> Tested<bool> {
    use image_cache_tests::torture::{Choice, Part, Programs};

    let is_part = |name: &&String| Part::ALL.iter().any(|part| part.name() == *name);
    let (names, operations): (Vec<&String>, Vec<&String>) = names.iter().partition(is_part);
    let choice = match &operations[..] {
        [] => Choice::All,
        [operation] => Choice::Operation((*operation).clone()),
        _ => {
            return Err(
                "usage: torture [crash] [fault] [power] [disk] [corruption] [processes] [OPERATION]"
                    .into(),
            );
        }
    };
    if !image_cache_tests::torture::is_possible() {
        return Ok(true);
    }
    let beside = |name| std::env::current_exe().map(|own| own.with_file_name(name));
    let programs = Programs::new(&beside("image-cache")?, &beside("read-through")?)?;
    let (mut runs, mut failures) = (0, 0);
    for part in Part::ALL {
        if !names.is_empty() && !names.iter().any(|name| *name == part.name()) {
            continue;
        }
        let start = Instant::now();
        let matrix = part.run(&programs, &choice)?;
        for failure in &matrix.failures {
            println!("FAILED: {failure}");
        }
        println!("\n{matrix}  {:.0} s\n", start.elapsed().as_secs_f64());
        runs += matrix.runs();
        failures += matrix.failures.len();
    }
    println!("{runs} runs, {failures} failures");
    Ok(failures == 0)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
fn at_calls(_: &[String]) -> Tested<bool> {
    image_cache_tests::skip("system calls are traced on x86-64 Linux with glibc only");
    Ok(true)
}
