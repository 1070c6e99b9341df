//! A driver that refuses images or violates its contract: the command line's output and exit code.

use super::{Answering, Scratch, bare};
use image_cache_tests::components::FAULTY;
use serde_json::{Value, json};

/// Runs the conformance suite on the driver that violates its contract according to these options.
fn check(format: &str, options: &[&str]) -> super::Answer {
    let mut command = bare();
    command.args(["driver", "check", FAULTY, "--format", format]);
    command.args(options.iter().flat_map(|option| ["--option", option])).answer()
}

/// Runs one case of it.
fn check_case(case: &str, options: &[&str]) -> super::Answer {
    let mut command = bare();
    command.args(["driver", "check", FAULTY, "--format", "json", "--case", case]);
    command.args(options.iter().flat_map(|option| ["--option", option])).answer()
}

#[test]
fn an_image_that_the_driver_refuses_ends_with_1_and_its_reason() {
    let scratch = Scratch::new();
    let source = scratch.write("source", "hello");
    let text = format!(
        "image_cache_dir = {:?}\nimage_cache_driver = \"faulty\"\n[drivers.faulty]\ncomponent = {FAULTY:?}\noptions = {{ refuse-larger = \"4\" }}\n",
        scratch.cache_dir(),
    );
    let config = scratch.write("cache.toml", text);
    let mut command = bare();
    command.arg("--config").arg(config).args(["--format", "json", "add", "a"]).arg(source);
    let answer = command.answer();
    answer.failed(1, "image a is not cached: driver faulty does not want it");
    assert_eq!(
        answer.json(),
        json!({"image_id": "a", "cached": false, "size": null, "checksum": null, "reason": "refused-by-driver"})
    );
}

#[test]
fn the_faults_of_a_driver_are_reported_case_by_case() {
    let options = ["fault=unsorted"];
    let answer = check("json", &options);
    assert_eq!(answer.code, Some(1), "{}", answer.err);
    let report = answer.json();
    let cases = report["cases"].as_array().expect("cases");
    let case = |name: &str| cases.iter().find(|case| case["name"] == name).expect("the case");
    let paging = case("pages_ascend_by_the_bytes_of_the_ids");
    assert_eq!(paging["passed"], false);
    assert_eq!(paging["expected"], "an answer to get-cached-images");
    assert!(paging["found"].as_str().is_some_and(|found| found.contains("records ascend by id")));
    assert_eq!(case("a_record_is_found_as_it_was_written")["passed"], true);
    let failed = cases.iter().filter(|case| case["passed"] == false).count();
    assert_eq!(report["failed"], failed);
    let table = check("table", &options);
    let shown = table.text();
    assert!(shown.contains("FAILED  pages ascend by the bytes of the ids"), "{shown}");
    assert!(shown.contains("expected  an answer to get-cached-images"), "{shown}");
    table.failed(1, &format!("failed {failed} of"));
}

#[test]
fn a_limit_that_a_driver_came_close_to_is_marked() {
    // One case: each call of this driver writes 100,000 messages, which takes about a second.
    let case = "admission_is_answered_for_an_unknown_size";
    let report = check_case(case, &["fault=chatter", "in=is-cacheable"]).json();
    let limits = report["limits"].as_array().expect("limits");
    let near: Vec<&Value> = limits.iter().filter(|limit| limit["near"] == true).collect();
    assert!(near.iter().any(|limit| limit["limit"] == "log messages a second"), "{limits:?}");
    assert!(near.iter().all(|limit| limit["limit"] != "memory"), "{limits:?}");
}
