//! The environment of the figures: the machine, its disk, its kernel, and the compiler.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Rows of a Markdown table, without its header.
pub fn described(target: &Path) -> String {
    let cores = std::thread::available_parallelism().map(|cores| cores.to_string());
    let rows = [
        ("date", said(&["date", "-u", "+%F"])),
        ("processor", field("/proc/cpuinfo", "model name")),
        ("cores", cores.ok()),
        ("memory", field("/proc/meminfo", "MemTotal").and_then(|total| gib(&total))),
        ("kernel", fs::read_to_string("/proc/sys/kernel/osrelease").ok()),
        ("system", field("/etc/os-release", "PRETTY_NAME").map(|name| name.replace('"', ""))),
        ("file system", of_directory(target, "FSTYPE,OPTIONS")),
        ("disk", disk(target)),
        ("rustc", said(&[&env::var("RUSTC").unwrap_or_else(|_| "rustc".into()), "--version"])),
        ("OpenSSL", said(&["openssl", "version"])),
    ];
    let row = |(name, value): (&str, Option<String>)| {
        let value = value.filter(|value| !value.trim().is_empty());
        format!("| {name} | {} |\n", value.as_deref().unwrap_or("unknown").trim().replace('|', "/"))
    };
    rows.into_iter().map(row).collect()
}

/// The output of a command as one line.
fn said(words: &[&str]) -> Option<String> {
    let output = Command::new(words.first()?).args(&words[1..]).output().ok()?;
    let said = output.status.success().then_some(output.stdout)?;
    Some(String::from_utf8(said).ok()?.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The value after a name and `:` or `=` in a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once([':', '=']));
    fields.find(|(known, _)| known.trim() == name).map(|(_, value)| value.trim().to_owned())
}

/// Converts a text such as "24678448 kB".
fn gib(total: &str) -> Option<String> {
    let kib: f64 = total.split_whitespace().next()?.parse().ok()?;
    Some(format!("{:.1} GiB", kib / f64::from(1 << 20)))
}

fn of_directory(target: &Path, columns: &str) -> Option<String> {
    said(&["findmnt", "-n", "-o", columns, "-T", target.to_str()?])
}

/// The device of the directory, with a description.
fn disk(target: &Path) -> Option<String> {
    let device = of_directory(target, "SOURCE")?;
    let known = said(&["lsblk", "-dn", "-o", "MODEL,SIZE,ROTA,TRAN", &device]);
    Some(known.filter(|known| !known.is_empty()).map_or(device.clone(), |known| {
        format!("{device}: {known} (model, size, rotational, bus, as reported by lsblk)")
    }))
}
