//! The torture in full: every call killed and failed, every state after a power loss, every amount of room on a disk.
//!
//! `torture COMMAND-LINE [crash] [fault] [power] [disk]`: the program that is tortured, and which parts, all unless named.

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
    use std::path::Path;
    use std::time::Instant;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command_line, parts @ ..] = &arguments[..] else {
        return Err("usage: torture COMMAND-LINE [crash] [fault] [power] [disk]".into());
    };
    let read_through = std::env::current_exe()?.with_file_name("read-through");
    let programs = Programs::new(Path::new(command_line), &read_through)?;
    let (mut runs, mut failures) = (0, 0);
    for part in Part::ALL {
        if !parts.is_empty() && !parts.iter().any(|name| name == part.name()) {
            continue;
        }
        let start = Instant::now();
        let matrix = part.run(&programs, &Choice::All)?;
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
