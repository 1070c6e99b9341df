//! Usage and configuration: which faults end with exit code 2, and which layer overrides which.

use super::{Answering, Scratch, bare};
use std::os::unix::ffi::OsStrExt;

#[test]
fn bad_usage_ends_with_2() {
    let scratch = Scratch::new();
    for arguments in [
        vec![],
        vec!["frobnicate"],
        vec!["add", "a"],
        vec!["add", "a", "-", "--md5", "nothex"],
        vec!["add", "a", "-", "--sha256", "5d41402abc4b2a76b9719d911017c592"],
        vec!["add", "a", "-", "--sha512", "nothex"],
        vec!["add", "a", "-", "--size", "-1"],
        vec!["add", "a", "-", "--size", "ten"],
        vec!["delete"],
        vec!["delete", "a", "--all"],
        vec!["queue"],
        vec!["queue", "remove"],
        vec!["clean", "--stall-time", "soon"],
        vec!["clean", "--stall-time", "-5"],
        vec!["status", "--max-size", "-5"],
        vec!["status", "--max-size", "99999999999 GiB"],
        vec!["status", "--hit-delay", "1 day"],
        vec!["status", "--min-free", "-5"],
        vec!["status", "--hard-limit", "perhaps"],
        vec!["status", "--sqlite-db", "../x.db"],
        vec!["status", "--driver", ""],
        vec!["status", "--verify-reads", "maybe"],
        vec!["verify"],
        vec!["verify", "a", "--all"],
        vec!["verify", "a", "--rate", "fast"],
        vec!["verify", "a", "--rate", "0"],
        vec!["list", "--format", "yaml"],
        vec!["completions", "dos"],
    ] {
        let answer = scratch.run(&arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}: {}", answer.err);
        assert!(
            !answer.err.is_empty() && answer.text().is_empty(),
            "{arguments:?}: {}",
            answer.text()
        );
    }
    assert!(!scratch.cache_dir().exists(), "nothing was changed");
}

#[test]
fn refused_ids_end_with_2_before_anything_is_touched() {
    let scratch = Scratch::new();
    let long = "x".repeat(256);
    for id in [
        "",
        ".",
        "..",
        "../x",
        "/etc/passwd",
        "a/b",
        ".hidden",
        "incomplete",
        "invalid",
        "queue",
        "cache.db",
        "cache.db-wal",
        "cache.db-shm",
        "cache.db-journal",
        "image_cache_db_init",
        "checkme",
        "a\nb",
        "a\u{1b}[2J",
        "a\u{9b}b",
        &long,
    ] {
        for command in [
            ["add", id, "-"].as_slice(),
            &["get", id],
            &["show", id],
            &["queue", "add", id],
            &["delete", "ok", id],
        ] {
            let answer = scratch.feed(command, b"");
            assert_eq!(answer.code, Some(2), "{command:?}: {}", answer.err);
            assert!(
                !answer.err.contains('\u{1b}') && !answer.err.contains('\u{9b}'),
                "{:?}",
                answer.err
            );
        }
    }
    assert!(!scratch.cache_dir().exists(), "nothing was changed");
    let answer = scratch.run(["--sqlite-db", "records.db", "show", "records.db"]);
    answer.failed(2, "configured database");
    let mut command = scratch.command(["show"]);
    let answer = command.arg(std::ffi::OsStr::from_bytes(b"\xff")).answer();
    assert_eq!(answer.code, Some(2), "{}", answer.err);
}

#[test]
fn every_layers_faults_are_reported_at_once() {
    let scratch = Scratch::new();
    let file = scratch
        .write("cache.toml", "image_cache_max_sise = 5\n[drivers.sqlite]\ncomponent = \"x\"\n");
    let answer = bare()
        .arg("--config")
        .arg(&file)
        .args(["--hit-delay", "x", "status"])
        .env("IMAGE_CACHE_STALL_TIME", "y")
        .answer();
    answer.failed(2, "the configuration has 5 faults:");
    for said in [
        "cache.toml:1: image_cache_max_sise: found an unknown option",
        "did you mean image_cache_max_size?",
        "cache.toml:2: drivers.sqlite: found \"sqlite\", which would hide a built-in driver",
        "$IMAGE_CACHE_STALL_TIME: image_cache_stall_time: found \"y\"",
        "--hit-delay: image_cache_hit_delay: found \"x\"",
        "image_cache_dir: found nothing",
    ] {
        answer.failed(2, said);
    }
}

#[test]
fn a_configuration_that_cannot_be_read_ends_with_2() {
    let scratch = Scratch::new();
    scratch
        .run(["--config", "/nowhere.toml", "status"])
        .failed(2, "/nowhere.toml: found No such file");
    let broken = scratch.write("broken.toml", "image_cache_max_size = 10 GiB\n");
    scratch
        .run(["--config", broken.to_str().expect("a plain path"), "status"])
        .failed(2, "broken.toml:1: found ");
}

#[test]
fn a_flag_overrides_the_environment_which_overrides_the_file() {
    let scratch = Scratch::new();
    let text = format!("image_cache_dir = {:?}\nimage_cache_max_size = 1\n", scratch.cache_dir());
    let file = scratch.write("cache.toml", text);
    let max_size = |environment: Option<&str>, flag: Option<&str>| {
        let mut command = bare();
        command.arg("--config").arg(&file).args(["--format", "json", "status"]);
        command.envs(environment.map(|size| ("IMAGE_CACHE_MAX_SIZE", size)));
        command.args(flag.map(|size| format!("--max-size={size}")));
        command.answer().json()["max_size"].as_u64()
    };
    assert_eq!(max_size(None, None), Some(1));
    assert_eq!(max_size(Some("2"), None), Some(2));
    assert_eq!(max_size(Some("2"), Some("3")), Some(3));
    assert_eq!(max_size(Some(""), None), Some(1));
}

#[test]
fn a_glance_configuration_opens_its_cache() {
    let scratch = Scratch::new();
    let text = format!(
        "[DEFAULT]\nstate_path = {}\nimage_cache_dir = $state_path/cache\nimage_cache_driver = centralized_db\nbind_port = 9292\n",
        scratch.path("").display()
    );
    let file = scratch.write("glance-api.conf", text);
    let answer = bare().arg("--config").arg(&file).args(["--format", "json", "status"]).answer();
    let status = answer.json();
    assert_eq!(status["driver"]["name"], "sqlite");
    assert_eq!(status["driver"]["fallback"]["configured"], "centralized_db");
    assert!(answer.err.contains("centralized_db"), "there is a warning: {}", answer.err);
    assert!(scratch.cache_dir().is_dir());
}

#[test]
fn a_line_without_an_equals_sign_is_shown_with_its_number_even_if_it_is_the_last_one() {
    let scratch = Scratch::new();
    for (text, line, shown) in [
        ("[DEFAULT]\nimage_cache_dir = x\nbind_port\n", 3, "bind_port"),
        ("[DEFAULT]\nbind_port\nimage_cache_dir = x\n", 2, "bind_port"),
        ("[DEFAULT]\nimage_cache_dir = x\n[foo", 3, "[foo"),
    ] {
        let file = scratch.write("glance-api.conf", text);
        let answer = bare().arg("--config").arg(&file).arg("status").answer();
        answer.failed(2, &format!("glance-api.conf:{line}: "));
        answer.failed(2, shown);
        answer.failed(2, "[section], \"key = value\"");
    }
}

#[test]
fn an_unusable_directory_ends_with_1_and_is_named() {
    let scratch = Scratch::new();
    let file = scratch.write("file", "");
    for dir in [file.clone(), file.join("below")] {
        let answer = bare().arg("--cache-dir").arg(&dir).arg("status").answer();
        answer.failed(1, file.to_str().expect("a plain path"));
    }
}
