//! `driver check` from the command line: its formats, its grants and its exit codes.

use super::{Answering, Scratch, bare};
use image_cache::conformance::{CASES, LRU_CASES};
use image_cache_tests::components::{FAULTY, LISTENER};
use serde_json::json;
use std::path::PathBuf;

/// The built-in sqlite driver, as a file that is not configured.
fn component(scratch: &Scratch) -> PathBuf {
    scratch.write("mine.wasm", image_cache_engine::BuiltIn::Sqlite.bytes())
}

#[test]
fn a_file_is_checked_with_its_imports_granted_which_is_reported() {
    let scratch = Scratch::new();
    let path = component(&scratch);
    let answer = bare().args(["driver", "check", "--lru", "--format", "json"]).arg(&path).answer();
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    assert!(answer.err.contains("granted what it imports, for this check alone"), "{}", answer.err);
    assert!(answer.err.contains("grants = [\"sql\"]"), "{}", answer.err);
    let json = answer.json();
    assert_eq!(json["driver"], "mine");
    assert_eq!((&json["granted_by"], &json["grants"]), (&json!("this check"), &json!(["sql"])));
    assert_eq!(json["failed"], 0);
    let names: Vec<_> =
        json["cases"].as_array().expect("cases").iter().map(|case| &case["name"]).collect();
    let expected: Vec<_> = CASES.iter().chain(LRU_CASES).map(|case| json!(case.name)).collect();
    assert_eq!(names, expected.iter().collect::<Vec<_>>());
    let calls = json["calls"].as_array().expect("calls");
    for export in ["record-cached", "record-hits", "select-victims", "load"] {
        let call = calls.iter().find(|call| call["call"] == export).expect("it was called");
        assert!(call["count"].as_u64() > Some(0));
        assert!(call["longest_seconds"].as_f64() >= call["mean_seconds"].as_f64());
        assert!(call["mean_seconds"].as_f64() > Some(0.0));
    }
    let limits = json["limits"].as_array().expect("limits");
    let memory = limits.iter().find(|limit| limit["limit"] == "memory").expect("memory");
    assert_eq!(memory["most"].as_f64(), Some(f64::from(64 << 20)));
    assert!(memory["used"].as_f64() >= Some(65536.0) && memory["share"].as_f64() < Some(0.5));
    let rows = limits.iter().find(|limit| limit["limit"] == "rows of a result").expect("rows");
    assert_eq!(rows["used"].as_f64(), Some(1000.0), "pages of a thousand records are requested");
    let database = limits.iter().find(|limit| limit["limit"] == "database").expect("database");
    assert_eq!(database["most"].as_f64(), Some(f64::from(1 << 30)));
    assert!(database["used"].as_f64() > Some(100_000.0), "a thousand records are somewhere");
}

#[test]
fn a_missing_grant_or_an_unknown_option_fails_the_check() {
    let scratch = Scratch::new();
    let path = component(&scratch);
    let check = |more: &[&str]| bare().args(["driver", "check"]).arg(&path).args(more).answer();
    check(&["--grant", "files"]).failed(1, "grants = [\"sql\", \"files\"]");
    check(&["--option", "colour=red"]).failed(1, "unknown option colour");
    check(&["--grant", "everything"]).failed(2, "[possible values: sql, attributes, files, wasi]");
    check(&["--option", "colour"]).failed(2, "give NAME=VALUE");
    bare().args(["driver", "check", "sqlite", "--grant", "sql"]).answer().failed(2, "is built in");
    bare().args(["driver", "check", "nobody"]).answer().failed(1, "no driver has this name");
    // An empty suite would count as passed.
    let junit = check(&["--option", "colour=red", "--format", "junit"]);
    assert!(junit.text().contains("failures=\"1\"") && junit.text().contains("the_driver_loads"));
}

#[test]
fn a_configured_driver_is_checked_as_it_is_configured() {
    let scratch = Scratch::new();
    component(&scratch);
    let configured = |grants: &str| {
        let text = format!("[drivers.own]\ncomponent = \"mine.wasm\"\ngrants = [{grants}]\n");
        let file = scratch.write("cache.toml", text);
        let mut command = bare();
        command.arg("--config").arg(file).args(["driver", "check", "own", "--format", "json"]);
        command.answer()
    };
    configured("").failed(1, "set `grants = [\"sql\"]` in [drivers.own]");
    let answer = configured("\"sql\"");
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    assert_eq!(answer.json()["granted_by"], "the configuration");
    std::fs::remove_file(scratch.path("mine.wasm")).expect("it was there");
    configured("\"sql\"").failed(1, "mine.wasm cannot be read");
}

#[test]
fn the_junit_format_is_only_for_checks() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    let answer = scratch.run(["--format", "junit", "delete", "a"]);
    answer.failed(2, "--format junit is for `driver check` alone");
    assert_eq!(scratch.json(["list"]).as_array().map(Vec::len), Some(1), "nothing was done");
}

#[test]
fn one_case_can_be_run_and_all_are_listed() {
    let list = bare().args(["driver", "check", "--list", "--format", "json"]).answer().json();
    let names: Vec<_> = CASES.iter().chain(LRU_CASES).map(|case| case.name).collect();
    let listed: Vec<_> = list.as_array().expect("an array").iter().collect();
    assert_eq!(listed.iter().map(|case| &case["name"]).collect::<Vec<_>>(), names);
    assert_eq!(listed.iter().filter(|case| case["lru"] == true).count(), LRU_CASES.len());
    let one = bare()
        .args(["driver", "check", "sqlite", "--case", &CASES[3].sentence()])
        .args(["--case", LRU_CASES[0].name])
        .args(["--format", "json"])
        .answer()
        .json();
    let run: Vec<_> =
        one["cases"].as_array().expect("cases").iter().map(|it| &it["name"]).collect();
    assert_eq!(run, [CASES[3].name, LRU_CASES[0].name]);
    let unknown = bare().args(["driver", "check", "sqlite", "--case", "nosuch"]).answer();
    unknown.failed(2, "`image-cache driver check --list` shows all");
    bare().args(["driver", "check"]).answer().failed(2, "NAME|FILE");
}

#[test]
fn a_failure_of_the_random_sequence_is_repeated_by_its_seed() {
    let case = "a_random_sequence_of_calls_leaves_the_records_of_a_model";
    let fault = ["--option", "fault=no-victim", "--option", "in=select-victims"];
    let check = |more: &[&str]| {
        bare().args(["driver", "check", "--case", case, FAULTY]).args(fault).args(more).answer()
    };
    let text = check(&[]).text().to_owned();
    let (_, seed) = text.split_once(" --seed ").expect("the options that repeat it");
    let seed = seed.split_whitespace().next().expect("a number");
    let failure = |text: &str| {
        let lines: Vec<_> = text.lines().skip_while(|line| !line.contains("expected")).collect();
        lines[..3].join("\n")
    };
    let expected = format!("(select-victims) of the sequence with the seed {seed}");
    assert!(failure(&text).contains(&expected), "{text}");
    assert_eq!(failure(check(&["--seed", seed]).text()), failure(&text));
    let json = check(&["--seed", "7", "--format", "json"]).json();
    assert_eq!((&json["seed"], &json["failed"]), (&json!(7), &json!(1)));
    check(&["--seed", "many"]).failed(2, "invalid digit");
    for seed in 0..20u64 {
        let sound = bare()
            .args(["driver", "check", "sqlite", "--case", case, "--seed", &seed.to_string()])
            .answer();
        assert_eq!(sound.code, Some(0), "seed {seed}: {}", sound.text());
    }
}

#[test]
fn a_failed_sql_statement_is_named_with_the_reason_in_the_check_and_in_the_error() {
    let scratch = Scratch::new();
    let two = "CREATE TABLE IF NOT EXISTS twice (a TEXT);\n  DROP TABLE twice";
    let failed = "an invalid argument; SQL statement failed: Multiple statements provided: \
                  CREATE TABLE IF NOT EXISTS twice (a TEXT); DROP TABLE twice";
    let answer = bare()
        .args(["driver", "check", LISTENER, "--case", "victims_cover_the_bytes_needed"])
        .args(["--option", &format!("statement={two}"), "--format", "json"])
        .answer();
    answer.failed(1, "failed 1 of 1 cases");
    let found = &answer.json()["cases"][0]["found"];
    assert!(found.as_str().is_some_and(|found| found.contains(failed)), "{found}");
    // A driver may expect failures, so a failure alone is no warning.
    assert!(!answer.err.contains("WARN"), "{}", answer.err);
    // The same in a cache.
    let text = format!(
        "image_cache_dir = \"cache\"\nimage_cache_max_size = 0\nimage_cache_driver = \"mine\"\n[drivers.mine]\n\
         component = {LISTENER:?}\ngrants = [\"sql\"]\noptions = {{ statement = {two:?} }}\n"
    );
    let file = scratch.write("cache.toml", text);
    let run = |arguments: &[&str]| {
        let mut command = bare();
        command.current_dir(scratch.path("")).arg("--config").arg(&file).args(arguments).answer()
    };
    assert_eq!(run(&["add", "one", "cache.toml"]).code, Some(0));
    run(&["prune"]).failed(1, failed);
}

#[test]
fn an_error_without_a_text_prints_something() {
    let check = |export: &str| {
        let mut command = bare();
        command.args(["driver", "check", FAULTY, "--option", "fault=error-empty"]);
        command.args(["--option", &format!("in={export}"), "--format", "json"]);
        command.args(["--case", "a_record_is_found_as_it_was_written"]).answer()
    };
    check("configure").failed(1, "the driver refused its configuration without a reason");
    let found = check("record-cached").json()["cases"][0]["found"].clone();
    assert_eq!(found, "the driver gave no reason");
}
