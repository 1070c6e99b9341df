//! `add` and `get`: input, output and interruptions.

use super::{Answer, HELLO_MD5, HELLO_SHA256, HELLO_SHA512, Scratch};
use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

#[test]
fn bytes_are_returned_unchanged() {
    let scratch = Scratch::new();
    let bytes: Vec<u8> =
        (0..3_000_001_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let source = scratch.write("source", &bytes);
    scratch.feed(["add", "piped", "-"], &bytes).done();
    scratch.run(["add", "from-file", source.to_str().expect("a plain path")]).done();
    scratch.feed(["add", "empty", "-", "--size", "0"], b"").done();
    for id in ["piped", "from-file"] {
        let answer = scratch.run(["get", id]);
        assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
        assert!(answer.out == bytes, "{id} differs");
        assert_eq!(scratch.json(["show", id])["hits"], 1);
    }
    assert_eq!(scratch.run(["get", "empty"]).done(), "");
}

#[test]
fn a_wrong_checksum_or_size_ends_with_4_and_caches_nothing() {
    let scratch = Scratch::new();
    let wrong = "0".repeat(32);
    scratch.feed(["add", "a", "-", "--md5", &wrong], b"hello").failed(4, HELLO_MD5);
    scratch
        .feed(["add", "a", "-", "--size", "6"], b"hello")
        .failed(4, "image a: 6 bytes were expected");
    scratch
        .feed(["add", "a", "-", "--size", "4"], b"hello")
        .failed(4, "image a: 4 bytes were expected");
    assert_eq!(scratch.run(["show", "a"]).code, Some(3));
    assert_eq!(scratch.json(["status"])["invalid"], 1);
    scratch.feed(["add", "a", "-", "--md5", HELLO_MD5], b"hello").done();
    scratch.feed(["add", "b", "-", "--md5", ""], b"hello").done();
}

#[test]
fn every_given_checksum_is_verified() {
    let scratch = Scratch::new();
    let right = [("--md5", HELLO_MD5), ("--sha256", HELLO_SHA256), ("--sha512", HELLO_SHA512)];
    for (wrong, digest) in right {
        let zeros = "0".repeat(digest.len());
        let given = right.map(|(option, digest)| match option == wrong {
            true => [option, &*zeros],
            false => [option, digest],
        });
        let add = ["add", "a", "-"].into_iter().chain(given.into_iter().flatten());
        let answer = scratch.feed(add, b"hello");
        answer.failed(4, &format!("{zeros} was expected, but the source returned {digest}"));
    }
    assert_eq!(scratch.run(["show", "a"]).code, Some(3));
    for (option, digest) in right {
        let upper = digest.to_uppercase();
        scratch.feed(["add", &option[2..], "-", option, &*upper], b"hello").done();
    }
    let all = right.into_iter().flat_map(|(option, digest)| [option, digest]);
    scratch.feed(["add", "a", "-"].into_iter().chain(all), b"hello").done();
    assert_eq!(scratch.json(["show", "a"])["checksum"], HELLO_MD5, "the record keeps the MD5");
    scratch
        .feed(["add", "b", "-", "--sha512", HELLO_SHA256], b"hello")
        .failed(2, "is not a valid SHA-512 checksum: 128 hexadecimal digits are accepted");
}

#[test]
fn a_source_that_cannot_be_read_ends_with_1_and_leaves_no_cache() {
    let scratch = Scratch::new();
    scratch
        .run(["add", "a", "/nowhere/image"])
        .failed(1, "cannot read /nowhere/image: No such file");
    scratch.run(["add", "a", "/"]).failed(1, "cannot read /: is a directory");
    assert!(!scratch.cache_dir().exists());
}

#[test]
fn two_writers_of_one_image_exclude_each_other_and_a_killed_one_does_not_block() {
    let scratch = Scratch::new();
    let mut first = scratch
        .command(["add", "a", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = first.stdin.take().expect("it was piped");
    stdin.write_all(b"hel").expect("the writer reads");
    let incomplete = scratch.cache_dir().join("incomplete/a");
    while !incomplete.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let second =
        scratch.command(["--format", "json", "add", "a", "-"]).stdin(Stdio::null()).output();
    let second: Answer = second.expect("the binary runs").into();
    second.failed(1, "image a is not cached: another process is caching it");
    let being = json!({"image_id": "a", "cached": false, "size": null, "checksum": null, "reason": "being-cached"});
    assert_eq!(second.json(), being);
    scratch.run(["get", "a"]).failed(3, "it is being cached right now");
    first.kill().expect("it runs");
    first.wait().expect("it was started");
    scratch.run(["get", "a"]).failed(3, "a fetch that broke off left a part of it in incomplete/");
    scratch.add_hello("a");
    assert_eq!(scratch.run(["get", "a"]).done(), "hello");
}

#[test]
fn a_failing_cache_ends_with_1_and_an_error() {
    let scratch = Scratch::new();
    scratch.run(["status"]).done();
    let source = scratch.write("source", vec![7; 4 << 20]);
    // A limit on the size of files simulates a full disk.
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$@\"";
    let command =
        scratch.command(["--format", "json", "add", "a", source.to_str().expect("a plain path")]);
    let mut limited = Command::new("bash");
    limited.args(["-c", script, "bash"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let answer: Answer = limited.output().expect("bash runs").into();
    answer.failed(1, "image a is not cached");
    assert_eq!(answer.json()["reason"], "cache-failed");
    assert_eq!(answer.json()["failure"], "unwritable");
    assert_eq!(scratch.run(["get", "a"]).code, Some(3));
}

#[test]
fn get_into_a_file_is_all_or_nothing() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    let output = scratch.write("output", "what was there before");
    let path = output.to_str().expect("a plain path");
    scratch.run(["get", "nowhere", "--output", path]).failed(3, "it is not cached");
    assert_eq!(std::fs::read_to_string(&output).expect("it exists"), "what was there before");
    assert_eq!(scratch.run(["get", "a", "--output", path]).done(), "");
    assert_eq!(std::fs::read_to_string(&output).expect("it exists"), "hello");
    let fresh = scratch.path("fresh");
    scratch.run(["get", "a", "-o", fresh.to_str().expect("a plain path")]).done();
    let mode = std::fs::metadata(&fresh).expect("it exists").permissions().mode();
    assert_eq!(mode & 0o600, 0o600, "{mode:o}");
    scratch
        .run(["get", "a", "-o", "/nowhere/output"])
        .failed(1, "cannot write /nowhere/output: No such file");
    scratch.run(["get", "a", "-o", "/"]).failed(1, "cannot write /: is a directory");
    assert_eq!(scratch.run(["get", "a", "-o", "-"]).done(), "hello");
    assert_eq!(scratch.run(["get", "a", "-o", "/dev/null"]).done(), "");
    scratch.run(["get", "a", "-o", "/dev/full"]).failed(1, "cannot write /dev/full: No space left");
    let names = std::fs::read_dir(scratch.path("")).expect("it exists").count();
    assert_eq!(names, 3, "the cache and the two files, nothing else");
}

#[test]
fn a_reader_that_disconnects_is_not_an_error() {
    let scratch = Scratch::new();
    scratch.feed(["add", "a", "-"], &vec![7; 4 << 20]).done();
    let mut command = scratch.command(["get", "a"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut stdout = child.stdout.take().expect("it was piped");
    stdout.read_exact(&mut [0; 10]).expect("it writes");
    drop(stdout);
    let answer: Answer = child.wait_with_output().expect("the binary ends").into();
    assert_eq!((answer.code, answer.err.as_str()), (Some(1), ""));
    assert_eq!(scratch.json(["show", "a"])["hits"], 0, "an abandoned read counts no hit");
}

#[test]
fn output_that_cannot_be_written_ends_with_1() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    for arguments in [
        ["get", "a"].as_slice(),
        &["list"],
        &["status", "--format=json"],
        &["--version"],
        &["completions", "bash"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        let answer: Answer =
            scratch.command(arguments).stdout(full).output().expect("the binary runs").into();
        assert_eq!(answer.code, Some(1), "{arguments:?}: {}", answer.err);
    }
}
