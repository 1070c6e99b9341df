//! With a terminal and without: progress, questions, and binary output.

use super::{Answer, Scratch};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs the command on a pseudo-terminal, if the tool for that is installed; returns its output and its code.
fn on_a_terminal(command: &Command, typed: &str) -> Option<Answer> {
    if !Path::new("/usr/bin/script").exists() {
        eprintln!("SKIPPED: no /usr/bin/script to create a terminal");
        return None;
    }
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().expect("plain text"));
    let line: Vec<String> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let mut script = Command::new("/usr/bin/script");
    script
        .args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"])
        .env("TERM", "xterm");
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().expect("script starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    // The question must be shown first: a reply that is typed too early is discarded.
    if !typed.is_empty() {
        std::thread::sleep(std::time::Duration::from_secs(2));
        stdin.write_all(typed.as_bytes()).expect("script reads");
    }
    let answer = child.wait_with_output().expect("script ends").into();
    drop(stdin);
    Some(answer)
}

#[test]
fn all_asks_on_a_terminal_and_yes_confirms() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    let delete = scratch.command(["delete", "--all"]);
    let Some(no) = on_a_terminal(&delete, "n") else { return };
    assert_eq!(no.code, Some(1), "{}", no.text());
    assert!(no.text().contains("Remove all cached images?"), "{}", no.text());
    assert_eq!(scratch.run(["show", "a"]).code, Some(0));
    let Some(yes) = on_a_terminal(&delete, "y") else { return };
    assert_eq!(yes.code, Some(0), "{}", yes.text());
    assert_eq!(scratch.run(["show", "a"]).code, Some(3));
}

#[test]
fn all_without_a_terminal_and_without_yes_ends_with_2() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    scratch.run(["queue", "add", "b"]).done();
    scratch.run(["delete", "--all"]).failed(2, "give --yes");
    scratch.run(["queue", "remove", "--all"]).failed(2, "give --yes");
    assert_eq!(scratch.run(["show", "a"]).code, Some(0));
    assert_eq!(scratch.run(["queue", "list"]).done(), "ID\nb\n");
}

#[test]
fn an_image_is_written_to_a_terminal_only_on_demand() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    let Some(refused) = on_a_terminal(&scratch.command(["get", "a"]), "") else { return };
    assert_eq!(refused.code, Some(2), "{}", refused.text());
    assert!(refused.text().contains("--output FILE"), "{}", refused.text());
    let Some(demanded) = on_a_terminal(&scratch.command(["get", "a", "--output", "-"]), "") else {
        return;
    };
    assert!(demanded.code == Some(0) && demanded.text().contains("hello"), "{}", demanded.text());
}

#[test]
fn progress_is_shown_only_on_a_terminal() {
    let scratch = Scratch::new();
    let source = scratch.write("source", vec![7; 64 << 20]);
    let source = source.to_str().expect("a plain path");
    assert_eq!(scratch.run(["add", "quiet", source]).done(), "quiet is cached: 64.0 MiB\n");
    let Some(shown) = on_a_terminal(&scratch.command(["add", "shown", source]), "") else { return };
    assert_eq!(shown.code, Some(0), "{}", shown.text());
    assert!(shown.text().contains("/64.00 MiB"), "{:?}", shown.text());
    assert!(shown.text().contains("shown is cached: 64.0 MiB"), "{:?}", shown.text());
}

#[test]
fn a_check_shows_the_current_case_only_on_a_terminal() {
    let scratch = Scratch::new();
    let mut check = Command::new("env");
    // In memory, if there is room, the suite takes a second.
    let memory = Path::new("/dev/shm").is_dir().then_some("TMPDIR=/dev/shm");
    check.args(memory).arg(env!("CARGO_BIN_EXE_image-cache")).arg("--cache-dir");
    check.arg(scratch.cache_dir()).args(["driver", "check", "sqlite"]);
    let quiet = check.output().expect("env starts the binary");
    assert!(quiet.status.success() && quiet.stderr.is_empty());
    let Some(shown) = on_a_terminal(&check, "") else { return };
    assert_eq!(shown.code, Some(0), "{}", shown.text());
    let cases = image_cache::conformance::CASES.len();
    assert!(shown.text().contains(&format!("/{cases} ")), "{:?}", shown.text());
    assert!(!String::from_utf8_lossy(&quiet.stdout).contains(&format!("/{cases} ")));
}
