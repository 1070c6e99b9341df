//! What a measurement needs from the machine: the program under test, OpenSSL, and the memory of a process.

use crate::{Tested, debian, serving};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The command line. `cargo xtask bench` builds it with the benchmark; `cargo bench` does not.
///
/// # Errors
/// If it was not built.
pub fn binary() -> Tested<PathBuf> {
    let binary = serving::beside_this_program();
    Ok(binary.ok_or("image-cache is not built: cargo xtask bench also builds it")?)
}

/// A line of a process's `status`, in bytes: `VmRSS` or `VmHWM`; 0 once it has ended.
pub fn memory_of(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let value = lines.find(|(known, _)| *known == name).map(|(_, value)| value.trim());
    let kib = value.and_then(|value| value.strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// The speed of OpenSSL's MD5 over blocks of this many bytes, with `streams` at once, for a second: bytes per second of all
/// together.
///
/// # Errors
/// If there is no `openssl` and it cannot be installed, or if its output is not as expected.
pub fn openssl_md5(block: usize, streams: usize) -> Tested<f64> {
    let program = openssl()?;
    let block = block.to_string();
    let one = || {
        let mut speed = Command::new(program);
        speed.args(["speed", "-mr", "-elapsed", "-seconds", "1", "-bytes", &block, "-evp", "md5"]);
        speed.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null());
        speed.spawn()
    };
    let all: Result<Vec<_>, _> = (0..streams).map(|_| one()).collect();
    let mut sum = 0.0;
    for child in all? {
        let said = String::from_utf8(child.wait_with_output()?.stdout)?;
        // "+F:22:md5:690123456.78"
        let line = said.lines().find_map(|line| line.strip_prefix("+F:"));
        let figure = line.and_then(|line| line.rsplit(':').next()?.trim().parse::<f64>().ok());
        sum += figure.ok_or_else(|| format!("openssl speed printed {said:?}"))?;
    }
    Ok(sum)
}

/// The program, which is installed if it is missing.
fn openssl() -> Tested<&'static str> {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    let runs = || Command::new("openssl").arg("version").output().is_ok();
    let found = FOUND.get_or_init(|| {
        if runs() {
            return Ok(());
        }
        debian::install("openssl")
    });
    found.clone().map(|()| "openssl").map_err(Into::into)
}
