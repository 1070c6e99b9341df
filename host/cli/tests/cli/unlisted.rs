//! Images that the directory has and the driver does not list: they are marked, and the list is never silently empty.

use super::{Answer, Answering, Scratch, bare};
use image_cache_tests::components::FAULTY;
use serde_json::json;

/// A cache whose driver has this fault.
fn run(scratch: &Scratch, fault: &str, arguments: &[&str]) -> Answer {
    let text = format!(
        "image_cache_dir = \"cache\"\nimage_cache_driver = \"mine\"\n[drivers.mine]\ncomponent = {FAULTY:?}\n\
         options = {{ {fault} }}\n"
    );
    let file = scratch.write("cache.toml", text);
    let mut command = bare();
    command.current_dir(scratch.path("")).arg("--config").arg(&file).args(arguments);
    command.answer()
}

#[test]
fn an_image_that_the_driver_does_not_list_is_listed_as_not_recorded() {
    let scratch = Scratch::new();
    scratch.write("source", "hello");
    let ignored = |arguments: &[&str]| run(&scratch, "fault = \"ignore\"", arguments);
    assert_eq!(ignored(&["add", "one", "source"]).code, Some(0));
    let list = ignored(&["--format", "json", "list"]);
    list.failed(0, "the driver mine does not list one");
    let list = list.json();
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!((&list[0]["image_id"], &list[0]["recorded"]), (&json!("one"), &json!(false)));
    assert_eq!(list[0]["size"], 5, "from its file");
    assert!(ignored(&["list"]).text().contains("one"));
    // A sound driver records the same file when the cache is opened.
    let list = run(&scratch, "", &["--format", "json", "list"]);
    assert_eq!((list.code, list.err.as_str()), (Some(0), ""));
    assert_eq!(list.json()[0]["recorded"], true);
}
