//! `prune --dry-run` and `explain`: what would be evicted, in which order, and why.

use super::Scratch;
use serde_json::json;

fn with_three() -> Scratch {
    let scratch = Scratch::new();
    for id in ["a", "b", "c"] {
        scratch.add_hello(id);
    }
    scratch.run(["get", "a"]).done();
    scratch
}

#[test]
fn a_dry_run_shows_the_evictions_in_order_and_evicts_nothing() {
    let scratch = with_three();
    let plan = scratch.json(["prune", "--dry-run", "--max-size", "6"]);
    let evicted = |id: &str| json!({"image_id": id, "size": 5, "cause": "image_cache_max_size"});
    let evictions = [evicted("b"), evicted("c")];
    let expected = json!({"driver": "sqlite", "images": 2, "bytes": 10, "evictions": evictions});
    assert_eq!(plan, expected);
    let by_number = scratch.json(["prune", "--dry-run", "--max-images", "2"]);
    let cause = json!("image_cache_max_images");
    assert_eq!((&by_number["images"], &by_number["evictions"][0]["cause"]), (&json!(1), &cause));
    let shown = scratch.run(["prune", "--dry-run", "--max-size", "6"]);
    assert!(shown.text().contains("image_cache_max_size"), "{}", shown.text());
    shown.failed(0, "nothing was evicted; a prune now would evict 2 images");
    assert_eq!(scratch.json(["list"]).as_array().map(Vec::len), Some(3));
    assert_eq!(scratch.json(["prune", "--max-size", "6"])["images"], 2);
    assert_eq!(scratch.json(["list"])[0]["image_id"], "a");
}

#[test]
fn an_image_is_explained_by_its_rank_and_by_the_next_prune() {
    let scratch = with_three();
    let explained = scratch.json(["explain", "b", "--max-size", "11"]);
    assert_eq!((&explained["rank"], &explained["ranked"]), (&json!(1), &json!(3)));
    assert_eq!(explained["evicted_by_next_prune"], json!(true));
    assert_eq!(explained["cause"], json!("image_cache_max_size"));
    let stays = scratch.run(["explain", "a", "--max-size", "11"]);
    let words = "keeps it: 1 image that sqlite names first suffice";
    assert!(stays.done().contains(words), "{}", stays.text());
    assert!(stays.text().contains("3 of 3 in the eviction order of sqlite"), "{}", stays.text());
    let all_stay = scratch.run(["explain", "a"]);
    assert!(all_stay.done().contains("the cache is within its limits"), "{}", all_stay.text());
    scratch.run(["explain", "nowhere"]).failed(3, "it is not cached");
}
