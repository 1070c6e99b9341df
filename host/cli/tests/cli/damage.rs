//! Damaged images: the output of `get`, `show` and `verify`.

use super::{Answering, HELLO_MD5, Scratch};
use serde_json::json;
use std::time::Instant;

impl Scratch {
    fn damage(&self, id: &str) {
        std::fs::write(self.cache_dir().join(id), "hellO").expect("the image can be written to");
    }
}

#[test]
fn get_of_a_damaged_image_ends_with_4_and_writes_nothing() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    scratch.damage("a");
    let target = scratch.path("target");
    let answer = scratch.command(["get", "a", "--output"]).arg(&target).answer();
    answer.failed(4, "image a is damaged: bytes 0 to 5 are not those that were cached");
    answer.failed(4, "fetch it again");
    assert!(!target.exists());
    let answer = scratch.run(["show", "a"]);
    answer.failed(3, "it was found damaged and lies in invalid/: bytes 0 to 5");
    assert_eq!(scratch.json(["status"])["invalid"], 1);
    scratch.add_hello("a");
    assert_eq!(scratch.run(["get", "a"]).done(), "hello");
}

#[test]
fn get_serves_a_damaged_image_only_if_verification_is_off() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    scratch.damage("a");
    assert_eq!(scratch.run(["--verify-reads", "false", "get", "a"]).done(), "hellO");
    let mut command = scratch.command(["get", "a"]);
    assert_eq!(command.env("IMAGE_CACHE_VERIFY_READS", "FALSE").answer().done(), "hellO");
    scratch.run(["get", "a"]).failed(4, "image a is damaged");
}

#[test]
fn verify_reports_the_result_and_the_trust_of_each_image() {
    let scratch = Scratch::new();
    ["a", "b", "c"].iter().for_each(|id| scratch.add_hello(id));
    std::fs::write(scratch.cache_dir().join("d"), "theirs").expect("an image of Glance's");
    let verified = |id: &str, size: u64, trust: &str| json!({"image_id": id, "result": "verified", "size": size, "trust": trust, "reason": null});
    assert_eq!(
        scratch.json(["verify", "--all"]),
        json!({
            "verified": 4, "corrupt": 0, "missing": 0, "failed": 0, "bytes": 21,
            "images": [
                verified("a", 5, "fetched"), verified("b", 5, "fetched"),
                verified("c", 5, "fetched"), verified("d", 6, "first-use"),
            ],
        })
    );
    scratch.damage("b");
    let answer = scratch.command(["--format", "json", "verify", "a", "b", "nowhere"]).answer();
    answer.failed(4, "image b is damaged");
    answer.failed(4, "image nowhere: it is not cached");
    let found = answer.json();
    assert_eq!(
        (&found["verified"], &found["corrupt"], &found["missing"], &found["failed"]),
        (&json!(1), &json!(1), &json!(1), &json!(0))
    );
    let b = &found["images"][1];
    assert_eq!(
        (&b["result"], &b["size"], &b["trust"]),
        (&json!("corrupt"), &json!(null), &json!(null))
    );
    assert!(b["reason"].as_str().is_some_and(|reason| reason.contains("bytes 0 to 5")), "{b}");
    scratch.run(["verify", "b", "a"]).failed(3, "image b: it is not cached");
    let table = scratch.run(["verify", "--all"]);
    assert!(table.done().ends_with("verified 3 images, 16 B\n"), "{}", table.text());
    assert!(table.text().contains("first-use"));
}

#[test]
fn show_states_why_an_image_s_bytes_are_trusted() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    let says = |trust: &str, words: &str| {
        let shown = scratch.json(["show", "a"]);
        assert_eq!((&shown["trust"], &shown["checksum"]), (&json!(trust), &json!(HELLO_MD5)));
        let table = scratch.run(["show", "a"]);
        assert!(table.done().contains(words), "{}", table.text());
    };
    says("fetched", "verified when it was fetched");
    let blocks = scratch.cache_dir().join(".image-cache/blocks");
    std::fs::remove_dir_all(blocks).expect("the digests can be removed");
    says("not-yet", "its first use verifies it against its checksum");
    scratch.run(["get", "a"]).done();
    says("checksum", "verified against its checksum");
}

#[test]
fn verify_reads_no_faster_than_its_limit() {
    let scratch = Scratch::new();
    let image = scratch.write("image", vec![7; 3 << 20]);
    scratch.command(["add", "a"]).arg(image).answer().done();
    let start = Instant::now();
    scratch.run(["verify", "a", "--rate", "4 MiB/s"]).done();
    // At least: a slow machine needs more time.
    assert!(start.elapsed().as_millis() >= 750, "{:?}", start.elapsed());
}
