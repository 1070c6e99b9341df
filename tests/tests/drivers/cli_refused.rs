//! The command line with a driver that refuses, or is at fault: what is said, and how it ends.

use image_cache_tests::Tested;
use image_cache_tests::serving::binary;
use std::process::{Command, Stdio};

#[test]
fn an_image_that_the_driver_refuses_ends_with_1_and_its_reason() -> Tested {
    let scratch = tempfile::tempdir()?;
    let config = scratch.path().join("cache.toml");
    let source = scratch.path().join("source");
    std::fs::write(&source, "hello")?;
    let text = format!(
        "image_cache_dir = {:?}\nimage_cache_driver = \"faulty\"\n[drivers.faulty]\ncomponent = {:?}\noptions = {{ refuse-larger = \"4\" }}\n",
        scratch.path().join("cache"),
        env!("GUEST_FAULTY"),
    );
    std::fs::write(&config, text)?;
    let output = Command::new(binary())
        .arg("--config")
        .arg(&config)
        .args(["--format", "json", "add", "a"])
        .arg(&source)
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("image a is not cached: driver faulty does not want it"), "{said}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(
        answer,
        serde_json::json!({"image_id": "a", "cached": false, "size": null, "checksum": null, "reason": "refused-by-driver"})
    );
    Ok(())
}

#[test]
fn a_driver_at_fault_is_told_case_by_case() -> Tested {
    let check = |format: &str| {
        let mut command = Command::new(binary());
        command.args(["driver", "check", env!("GUEST_FAULTY"), "--format", format]);
        command.args(["--option", "fault=unsorted"]).stdin(Stdio::null()).output()
    };
    let output = check("json")?;
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let cases = answer["cases"].as_array().ok_or("cases")?;
    let case = |name: &str| cases.iter().find(|case| case["name"] == name).ok_or("the case");
    let paging = case("pages_ascend_by_the_bytes_of_the_ids")?;
    assert_eq!(paging["passed"], false);
    assert_eq!(paging["expected"], "an answer to get-cached-images");
    assert!(paging["found"].as_str().is_some_and(|found| found.contains("records ascend by id")));
    assert_eq!(case("a_record_is_found_as_it_was_written")?["passed"], true);
    let failed = cases.iter().filter(|case| case["passed"] == false).count();
    assert_eq!(answer["failed"], failed);
    let table = check("table")?;
    let shown = String::from_utf8(table.stdout)?;
    assert!(shown.contains("FAILED  pages ascend by the bytes of the ids"), "{shown}");
    assert!(shown.contains("expected  an answer to get-cached-images"), "{shown}");
    assert!(String::from_utf8(table.stderr)?.contains(&format!("failed {failed} of")));
    Ok(())
}

#[test]
fn a_bound_that_a_driver_came_near_is_pointed_out() -> Tested {
    let mut command = Command::new(binary());
    command.args(["driver", "check", env!("GUEST_FAULTY"), "--format", "json"]);
    command.args(["--option", "fault=chatter", "--option", "in=is-cacheable"]);
    let output = command.stdin(Stdio::null()).output()?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let limits = answer["limits"].as_array().ok_or("limits")?;
    let near: Vec<_> = limits.iter().filter(|limit| limit["near"] == true).collect();
    assert!(near.iter().any(|limit| limit["limit"] == "log messages a second"), "{limits:?}");
    assert!(near.iter().all(|limit| limit["limit"] != "memory"), "{limits:?}");
    Ok(())
}
