//! `status` remembers a fallback to sqlite that another process made.

use super::{Answering, Scratch, bare};
use image_cache_engine::BuiltIn;
use serde_json::Value;

#[test]
fn status_names_the_last_fallback_of_another_process() {
    let scratch = Scratch::new();
    let text = "image_cache_dir = \"cache\"\nimage_cache_driver = \"mine\"\n[drivers.mine]\ncomponent = \"mine.wasm\"\n\
                grants = [\"sql\"]\n";
    let file = scratch.write("cache.toml", text);
    let run = |arguments: &[&str]| {
        let mut command = bare();
        command.current_dir(scratch.path("")).arg("--config").arg(&file).args(arguments);
        command.answer()
    };
    let fallen = run(&["--format", "json", "status"]).json();
    assert_eq!(fallen["driver"]["fallback"]["configured"], "mine");
    scratch.write("mine.wasm", BuiltIn::Sqlite.bytes());
    let status = run(&["--format", "json", "status"]).json();
    assert_eq!(status["driver"]["fallback"], Value::Null);
    let last = &status["last_fallback"];
    assert_eq!(last["configured"], "mine");
    assert!(last["reason"].as_str().is_some_and(|reason| reason.contains("mine.wasm")), "{last}");
    assert!(last["process"].as_u64() > Some(1) && last["at"].is_string(), "{last}");
    let shown = run(&["status"]);
    assert!(shown.done().contains("LAST FALLBACK  process "), "{}", shown.text());
    let other = run(&["--driver", "sqlite", "--format", "json", "status"]).json();
    assert_eq!(other["last_fallback"], Value::Null, "of another configured driver");
}
