//! The output of each command, in both formats.

use super::{Answering, HELLO_MD5, Scratch, bare};
use serde_json::{Value, json};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn add_prints_the_result() {
    let scratch = Scratch::new();
    let source = scratch.write("source", "hello");
    let source = source.to_str().expect("a plain path");
    let md5 = HELLO_MD5.to_uppercase();
    let cached = scratch.json(["add", "a", source, "--md5", &md5, "--size", "5"]);
    assert_eq!(
        cached,
        json!({"image_id": "a", "cached": true, "size": 5, "checksum": HELLO_MD5, "reason": null})
    );
    let again = scratch.json(["add", "a", source]);
    assert_eq!(
        again,
        json!({"image_id": "a", "cached": true, "size": 5, "checksum": HELLO_MD5, "reason": "already-cached"})
    );
    assert_eq!(scratch.run(["add", "b", source]).done(), "b is cached: 5 B\n");
    assert_eq!(scratch.run(["add", "b", source]).done(), "b is already cached: 5 B\n");
}

#[test]
fn list_and_show_print_complete_records() {
    let scratch = Scratch::new();
    assert_eq!(scratch.json(["list"]), json!([]));
    for id in ["b", "a", "ünïcode id"] {
        scratch.add_hello(id);
    }
    assert_eq!(scratch.run(["get", "a"]).done(), "hello");
    let list = scratch.json(["list"]);
    let list = list.as_array().expect("an array");
    let ids: Vec<_> =
        list.iter().map(|record| record["image_id"].as_str().expect("text")).collect();
    assert_eq!(ids, ["a", "b", "ünïcode id"]);
    let shown = ["image_id", "size", "hits", "last_accessed", "last_modified", "checksum"];
    let mut expected = [&shown[..], &["recorded"]].concat();
    expected.sort_unstable();
    assert_eq!((keys(&list[0]), &list[0]["recorded"]), (expected, &json!(true)));
    assert_eq!((&list[0]["hits"], &list[1]["hits"]), (&json!(1), &json!(0)));
    assert_eq!((&list[0]["size"], &list[0]["checksum"]), (&json!(5), &json!(HELLO_MD5)));
    for time in ["last_accessed", "last_modified"] {
        let time = list[0][time].as_str().expect("text");
        assert!(time.len() == 27 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    }
    let mut shown = scratch.json(["show", "a"]);
    let trust = shown.as_object_mut().and_then(|shown| shown.remove("trust"));
    let mut record = list[0].clone();
    record.as_object_mut().and_then(|record| record.remove("recorded"));
    assert_eq!((shown, trust), (record, Some(json!("fetched"))));
    let table = scratch.run(["list"]);
    assert_eq!(table.done().lines().count(), 4);
    assert!(table.text().starts_with("ID "), "{}", table.text());
    assert!(table.text().contains(HELLO_MD5));
    let shown = scratch.run(["show", "a"]);
    assert!(shown.done().contains("size           5 B (5 bytes)"), "{}", shown.text());
}

#[test]
fn show_and_get_of_a_missing_image_end_with_3_and_print_the_known_details() {
    let scratch = Scratch::new();
    for command in ["show", "get"] {
        let answer = scratch.run([command, "a"]);
        answer.failed(3, "image a: it is not cached");
        assert_eq!(answer.text(), "");
    }
    scratch.run(["queue", "add", "a"]);
    scratch.run(["show", "a"]).failed(3, "it is queued");
    scratch.feed(["add", "a", "-", "--size", "9"], b"hello").failed(4, "9 bytes were expected");
    scratch.run(["show", "a"]).failed(3, "invalid/");
}

#[test]
fn queue_keeps_the_order_and_states_why_an_image_is_not_queued() {
    let scratch = Scratch::new();
    scratch.add_hello("cached");
    let added = scratch.json(["queue", "add", "z", "a", "cached", "z"]);
    assert_eq!(
        added,
        json!([
            {"image_id": "z", "queued": true, "reason": null},
            {"image_id": "a", "queued": true, "reason": null},
            {"image_id": "cached", "queued": false, "reason": "already-cached"},
            {"image_id": "z", "queued": true, "reason": "already-queued"},
        ])
    );
    assert_eq!(scratch.json(["queue", "list"]), json!([{"image_id": "z"}, {"image_id": "a"}]));
    assert_eq!(scratch.run(["queue", "list"]).done(), "ID\nz\na\n");
    let removed = scratch.command(["--format", "json", "queue", "remove", "nowhere", "z"]).answer();
    removed.failed(3, "image nowhere: it is not queued");
    assert_eq!(removed.json(), json!({"images": 1, "missing": ["nowhere"]}));
    assert_eq!(
        scratch.json(["queue", "remove", "--all", "--yes"]),
        json!({"images": 1, "missing": []})
    );
    assert_eq!(scratch.run(["queue", "list"]).done(), "ID\n");
}

#[test]
fn delete_removes_the_others_and_ends_with_3_for_a_missing_one() {
    let scratch = Scratch::new();
    for id in ["a", "b", "c"] {
        scratch.add_hello(id);
    }
    let answer = scratch.run(["delete", "a", "nowhere", "b"]);
    answer.failed(3, "image nowhere: it is not cached");
    assert_eq!(answer.text(), "removed 2 images\n");
    assert_eq!(scratch.json(["delete", "c"]), json!({"images": 1, "missing": []}));
    scratch.add_hello("d");
    assert_eq!(scratch.run(["delete", "--all", "--yes"]).done(), "removed 1 image\n");
    assert_eq!(scratch.run(["delete", "--all", "--yes"]).done(), "removed 0 images\n");
    assert_eq!(scratch.json(["list"]), json!([]));
}

#[test]
fn prune_evicts_the_least_recently_used() {
    let scratch = Scratch::new();
    for id in ["a", "b", "c"] {
        scratch.add_hello(id);
    }
    scratch.run(["get", "a"]).done();
    assert_eq!(
        scratch.json(["prune", "--max-size", "15"]),
        json!({"images": 0, "bytes": 0, "kept": []})
    );
    assert_eq!(
        scratch.json(["prune", "--max-size", "14"]),
        json!({"images": 1, "bytes": 5, "kept": []})
    );
    assert_eq!(scratch.run(["show", "b"]).code, Some(3));
    assert_eq!(
        scratch.run(["prune", "--max-size=0"]).done(),
        "evicted 2 images, 10 B (10 bytes)\n"
    );
}

#[test]
fn prune_reports_images_that_it_could_not_evict_and_why() {
    let scratch = Scratch::new();
    for id in ["read", "idle"] {
        scratch.add_hello(id);
    }
    // Like a reader of any process.
    let file = std::fs::File::open(scratch.cache_dir().join("read")).expect("it is cached");
    file.lock_shared().expect("no process evicts it yet");
    let answer = scratch.run(["prune", "--max-size", "0", "--format", "json"]);
    answer.failed(0, "note: image read is still there: it is being read");
    let kept = json!([{"image_id": "read", "reason": "it is being read"}]);
    assert_eq!(answer.json(), json!({"images": 1, "bytes": 5, "kept": kept}));
    // A child process of another test has the file open too until it executes its program: closing it here would not unlock it.
    file.unlock().expect("it is locked");
    assert_eq!(
        scratch.run(["prune", "--max-size", "0"]).done(),
        "evicted 1 image, 5 B (5 bytes)\n"
    );
}

#[test]
fn a_command_without_an_image_mentions_the_flag_for_all() {
    let scratch = Scratch::new();
    for command in [&["verify"][..], &["delete"], &["queue", "remove"]] {
        scratch.run(command).failed(2, "<ID|--all>");
        scratch.run(command.iter().chain(&["--all", "a"])).failed(2, "cannot be used with");
    }
}

#[test]
fn status_has_the_keys_that_scripts_rely_on() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    scratch.run(["queue", "add", "b"]).done();
    let status = scratch.json(["status", "--max-size", "1 GiB"]);
    let (version, digest) = (status["driver"]["version"].clone(), &status["driver"]["sha256"]);
    assert!(version.is_string() && digest.as_str().is_some_and(|digest| digest.len() == 64));
    assert_eq!(
        status,
        json!({
            "driver": {"name": "sqlite", "version": version, "sha256": digest, "fallback": null},
            "running": [],
            "last_fallback": null,
            "cached": {"images": 1, "bytes": 5},
            "max_size": 1 << 30,
            "queued": 1,
            "incomplete": 0,
            "invalid": 0,
        })
    );
    let table = scratch.run(["status"]);
    assert!(table.done().contains("1 image, 5 B (5 bytes)"), "{}", table.text());
    assert!(table.text().contains("10.0 GiB (10737418240 bytes), 0 % used"), "{}", table.text());
}

#[test]
fn completions_version_and_help_need_no_configuration() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let answer = bare().args(["completions", shell]).answer();
        assert!(answer.done().contains("image-cache"), "{shell}");
    }
    let version = bare().arg("--version").answer();
    assert_eq!(version.done(), format!("image-cache {}\n", env!("CARGO_PKG_VERSION")));
    let help = bare().arg("--help").answer();
    assert!(help.done().contains("Exit codes:"));
}

#[test]
fn an_image_without_room_is_not_added_and_the_reason_is_shown() {
    let scratch = Scratch::new();
    scratch.add_hello("kept");
    let hard = ["--max-size", "9", "--hard-limit", "true"];
    let answer =
        scratch.feed(hard.iter().chain(&["add", "large", "-", "--size", "10"]), b"0123456789");
    answer.failed(1, "no space within image_cache_max_size (9 B)");
    let mut command = scratch.command(["--format", "json", "add", "large", "-"]);
    let answer = command.env("IMAGE_CACHE_MIN_FREE", "8000 PB").answer();
    answer.failed(1, "and image_cache_min_free keeps");
    assert_eq!(answer.json()["reason"], "cache-failed");
    assert_eq!(answer.json()["failure"], "unwritable");
    assert_eq!(scratch.json(["list"]).as_array().map(Vec::len), Some(1));
    // A smaller image replaces the existing one.
    scratch.feed(hard.iter().chain(&["add", "other", "-"]), b"world").done();
    assert_eq!(scratch.json(["list"])[0]["image_id"], "other");
}

#[test]
fn another_image_under_the_id_of_a_cached_one_is_a_mismatch() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    let wrong = "0".repeat(32);
    for (option, value) in [("--md5", &*wrong), ("--size", "6")] {
        let answer = scratch.feed(["add", "a", "-", option, value], b"other!");
        answer.failed(4, "image a is cached already, with other bytes");
        answer.failed(4, "delete it first");
    }
    let longer = scratch.write("longer", "hello!");
    let longer = longer.to_str().expect("a plain path");
    scratch.run(["add", "a", longer]).failed(4, "6 bytes were expected, the cached image has 5");
    for md5 in [HELLO_MD5, &HELLO_MD5.to_uppercase(), ""] {
        scratch.feed(["add", "a", "-", "--md5", md5, "--size", "5"], b"hello").done();
    }
    assert_eq!(scratch.run(["get", "a"]).done(), "hello");
    std::fs::write(scratch.cache_dir().join("adopted"), "12345").expect("a file");
    let added = scratch.feed(["add", "adopted", "-", "--md5", HELLO_MD5, "--size", "5"], b"hello");
    assert!(added.done().contains("its MD5 is not known"), "{}", added.text());
    // The record of an image that this cache fetched has the MD5.
    let (sha256, sha512) = ("0".repeat(64), "0".repeat(128));
    let add = ["add", "a", "-", "--md5", HELLO_MD5, "--size", "5", "--sha512", &*sha512];
    let added = scratch.feed(add, b"hello");
    assert!(added.done().contains("its SHA-512 is not known"), "{}", added.text());
    let added = scratch.feed(add.into_iter().chain(["--sha256", &*sha256]), b"hello");
    let words = "its SHA-256 and SHA-512 are not known, so they were not compared";
    assert!(added.done().contains(words), "{}", added.text());
}

#[test]
fn an_empty_pipe_is_cached_only_if_its_size_is_given() {
    let scratch = Scratch::new();
    scratch
        .feed(["add", "a", "-"], b"")
        .failed(1, "it is empty; to add an empty image, use --size 0");
    assert_eq!(scratch.json(["list"]), json!([]));
    scratch.feed(["add", "a", "-", "--size", "0"], b"").done();
    assert_eq!(scratch.json(["list"])[0]["size"], 0);
}

#[test]
fn the_size_of_an_image_may_have_a_unit() {
    let scratch = Scratch::new();
    scratch.feed(["add", "a", "-", "--size", "1 KiB"], &[7; 1024]).done();
    let answer = scratch.feed(["add", "b", "-", "--size", "many"], b"");
    answer.failed(2, "accepted: bytes (5242880), or a number with a unit");
}

#[test]
fn files_that_were_in_the_directory_before_it_was_a_cache_cause_a_warning() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.cache_dir()).expect("a directory");
    std::fs::write(scratch.cache_dir().join("my-only-copy.iso"), "bytes").expect("a file");
    scratch
        .run(["list"])
        .failed(0, "had files before it became a cache (1): they are cached images");
    scratch.run(["list"]).done();
}
