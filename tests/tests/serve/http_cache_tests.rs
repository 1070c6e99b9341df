//! The public tests for HTTP caches (npm `http-cache-tests`, <https://cache-tests.fyi/>) with the profile `plain`.
//! `expected_failures.toml` lists the failing tests with reasons: the list and the service must change together.
//!
//! They take a minute and need node and npm: they run only if `IMAGE_CACHE_TEST_FULL=1` is set. The group about
//! `Surrogate-Control`, which no standard defines and the service ignores, is skipped, as in the suite's own index.

mod expected;
mod suite;

use expected::Expected;
use image_cache_tests::serving::Setup;
use image_cache_tests::{Tested, is_full_run, npm};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use suite::{Count, Origin, Results};

/// The number of unexpected results after which a test fails: the suite measures seconds, and a busy machine delays some.
const RUNS: usize = 3;

/// The minimum number of required tests that pass.
const REQUIRED: usize = 120;

#[test]
fn every_expected_failure_has_a_reason() -> Tested {
    Expected::load().map(|_| ())
}

#[test]
fn the_public_tests_for_caches_pass_except_those_that_are_listed() -> Tested {
    if !is_full_run("http-cache-tests is not run") {
        return Ok(());
    }
    let Some(package) = npm::http_cache_tests() else { return Ok(()) };
    let setup = Setup::new();
    let expected = Expected::load()?;
    let origin = Origin::start(&package, &setup.path("origin.pid"))?;
    let service = setup.serve(origin.url(), &["--profile", "plain"])?;
    let cache = format!("http://{}", service.clients);
    let mut results = suite::run(&package, &cache, &BTreeSet::new())?;
    for _ in 1..RUNS {
        let again = surprises(&results, &expected).into_keys().collect::<BTreeSet<_>>();
        if again.is_empty() {
            break;
        }
        say(&format!("unexpected results, which run again: {again:?}"));
        results.update(suite::run(&package, &cache, &again)?);
    }
    for kind in ["required", "optimal", "check"] {
        let Count { all, passed, meaningful } = results.count(kind);
        say(&format!(
            "http-cache-tests: {passed} of {all} tests of the kind {kind} pass; {meaningful} without those that depend on a failed test"
        ));
    }
    let surprises = surprises(&results, &expected);
    let lines = surprises.iter().map(|(id, words)| format!("\n  {id}: {words}"));
    assert!(surprises.is_empty(), "unexpected results:{}", lines.collect::<String>());
    let Count { passed, .. } = results.count("required");
    assert!(passed >= REQUIRED, "{passed} required tests pass");
    Ok(())
}

/// The tests that fail and are not listed, and those that are listed and do not fail.
fn surprises(results: &Results, expected: &Expected) -> BTreeMap<String, String> {
    let ran = results.iter().filter_map(|(id, ran)| {
        let words = match (results.failure(id), expected.has(id)) {
            _ if ran.kind == "check" => return None,
            (Some(failure), false) => {
                format!("it is {}, of the group {}, and fails: {failure}", ran.kind, ran.group)
            }
            (None, true) => "it passes: remove it from expected_failures.toml".to_owned(),
            _ => return None,
        };
        Some((id.to_owned(), words))
    });
    let kinds = expected.iter().filter_map(|(id, kind)| {
        let ran = results.iter().find(|(known, _)| *known == id);
        match ran {
            Some((_, ran)) if ran.kind == kind => None,
            Some((_, ran)) => {
                Some((id.to_owned(), format!("it is listed as {kind}, and is {}", ran.kind)))
            }
            None => Some((id.to_owned(), "it is listed, and did not run".to_owned())),
        }
    });
    ran.chain(kinds).collect()
}

/// Prints even if the output of successful tests is not shown.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}
