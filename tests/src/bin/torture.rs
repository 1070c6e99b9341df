//! The torture in full: every call killed and failed, every state after a power loss, every amount of room on a disk.
//!
//! `torture [crash] [fault] [power] [disk] [OPERATION]`: which parts and which operation (`add`, `"get, to a file"`), all unless
//! named. It tortures the programs that lie beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn run() -> image_cache_tests::Tested<bool> {
    use image_cache_tests::torture::{Choice, Part, Programs};
    use std::time::Instant;

    let is_part = |name: &String| Part::ALL.iter().any(|part| part.name() == name);
    let (names, operations): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(is_part);
    let choice = match &operations[..] {
        [] => Choice::All,
        [operation] => Choice::Operation(operation.clone()),
        _ => return Err("usage: torture [crash] [fault] [power] [disk] [OPERATION]".into()),
    };
    if !image_cache_tests::torture::is_possible() {
        return Ok(true);
    }
    let beside = |name| std::env::current_exe().map(|own| own.with_file_name(name));
    let programs = Programs::new(&beside("image-cache")?, &beside("read-through")?)?;
    let (mut runs, mut failures) = (0, 0);
    for part in Part::ALL {
        if !names.is_empty() && !names.iter().any(|name| name == part.name()) {
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
fn run() -> image_cache_tests::Tested<bool> {
    image_cache_tests::skip("system calls are traced on x86-64 Linux with glibc only");
    Ok(true)
}
