//! `pin`: images that an operator protects from eviction.

use super::Scratch;
use serde_json::json;

#[test]
fn a_pinned_image_stays_until_its_last_pin_is_removed() {
    let scratch = Scratch::new();
    for id in ["a", "b"] {
        scratch.add_hello(id);
    }
    scratch.run(["pin", "add", "a"]).done();
    scratch.run(["pin", "add", "a", "--name", "release", "--for", "30days"]).done();
    let listed = scratch.json(["pin", "list"]);
    assert_eq!(listed[0], json!({"image_id": "a", "name": "operator", "until": null}));
    assert_eq!((&listed[1]["name"], listed[1]["until"].is_string()), (&json!("release"), true));
    assert!(scratch.run(["pin", "list"]).done().contains("no end"));
    assert_eq!(scratch.json(["prune", "--max-size", "0"])["images"], 1);
    scratch.run(["pin", "remove", "a"]).done();
    scratch.run(["pin", "remove", "a"]).failed(3, "a has no pin \"operator\"");
    assert_eq!(scratch.json(["prune", "--max-size", "0"])["images"], 0);
    let explained = scratch.run(["explain", "a", "--max-size", "0"]);
    assert!(explained.done().contains("keeps it: it is pinned (release)"), "{}", explained.text());
    scratch.run(["pin", "remove", "--all", "a"]).done();
    scratch.run(["pin", "remove", "--all", "a"]).failed(3, "a is not pinned");
    assert_eq!(scratch.json(["prune", "--max-size", "0"])["images"], 1);
}

#[test]
fn an_image_can_be_pinned_before_it_is_cached_and_wrong_pins_are_named() {
    let scratch = Scratch::new();
    scratch.run(["pin", "add", "later"]).failed(0, "later is not cached now");
    scratch.add_hello("later");
    assert_eq!(scratch.json(["prune", "--max-size", "0"])["images"], 0);
    scratch.run(["pin", "add", "later", "--for", "soon"]).failed(2, "--for");
    scratch.run(["pin", "add", "later", "--name", ""]).failed(1, "1 to 64 printable bytes");
    scratch.run(["pin", "add", "../later"]).failed(2, "../later");
    scratch.run(["pin", "add"]).failed(2, "<ID>");
    // A pin that has ended protects no longer.
    scratch.run(["pin", "remove", "--all", "later"]).done();
    scratch.run(["pin", "add", "later", "--for", "1ms"]).done();
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(scratch.json(["pin", "list"]), json!([]));
    assert_eq!(scratch.json(["prune", "--max-size", "0"])["images"], 1);
}

#[test]
fn a_tenant_of_add_is_checked() {
    let scratch = Scratch::new();
    let source = scratch.write("source", "hello");
    let source = source.to_str().expect("the path is text");
    scratch.run(["add", "a", source, "--tenant", "project-7"]).done();
    scratch.run(["add", "b", source, "--tenant", ""]).failed(2, "1 to 128 bytes");
}
