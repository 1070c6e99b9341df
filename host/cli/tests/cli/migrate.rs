//! `driver migrate`: its output, and that it does not wait for other users of the cache.

use super::{Answering, Scratch, bare};
use serde_json::json;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn records_are_not_moved_while_another_process_has_the_cache_open() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    let got = scratch.run(["get", "a"]);
    assert_eq!(got.code, Some(0), "{}", got.err);
    let mut adding = scratch.command(["add", "slow", "-", "--size", "0"]);
    let adding = adding.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut adding = adding.spawn().expect("the binary starts");
    let patience = Instant::now() + Duration::from_secs(60);
    while !scratch.cache_dir().join("incomplete/slow").exists() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(10));
    }
    let migrate = ["driver", "migrate", "--from", "sqlite", "--to", "xattr"];
    let refused = scratch.run(migrate);
    drop(adding.stdin.take());
    assert!(adding.wait().expect("it ends").success());
    refused.failed(1, "is in use: stop what has it open");

    let moved = scratch.command(["--format", "json"]).args(migrate).answer();
    assert_eq!(moved.code, Some(0), "{}", moved.err);
    assert!(moved.err.contains("now set image_cache_driver = \"xattr\""), "{}", moved.err);
    let expected = json!({
        "from": "sqlite", "to": "xattr", "images": 2, "hits": 1, "adopted": 0, "left_out": 0, "forgotten": 0
    });
    assert_eq!(moved.json(), expected);
    assert_eq!(scratch.json(["--driver", "xattr", "show", "a"])["hits"], 1);
}

#[test]
fn records_are_moved_in_the_configured_cache_and_between_two_drivers() {
    let migrate = ["driver", "migrate", "--from", "sqlite", "--to", "xattr"];
    bare().args(migrate).answer().failed(2, "image_cache_dir");
    let scratch = Scratch::new();
    scratch.run(&migrate[..4]).failed(2, "--to");
    let same = scratch.run(["driver", "migrate", "--from", "sqlite", "--to", "SQLite"]);
    same.failed(1, "one and the same driver");
    let nobody = scratch.run(["driver", "migrate", "--from", "sqlite", "--to", "nobody"]);
    nobody.failed(1, "no driver has this name");
}
