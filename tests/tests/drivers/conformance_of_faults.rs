//! The conformance suite on faulty drivers: the suite must detect each fault, and no fault may stop it.

use image_cache::conformance::{self, CASES};
use image_cache::{Config, ConfigError};
use image_cache_tests::Tested;
use image_cache_tests::components::faulty;
use std::collections::BTreeMap;
use tempfile::TempDir;

/// Runs the whole suite on the fault-injecting driver; returns the failures by the name of their case.
fn failures(
    options: &[(&str, &str)],
) -> Result<BTreeMap<&'static str, String>, Box<dyn std::error::Error>> {
    let scratch = tempfile::tempdir()?;
    let results = conformance::run(&config(&scratch, options)?, scratch.path());
    assert_eq!(results.len(), CASES.len());
    let failed = results.into_iter().filter_map(|result| {
        result.outcome.err().map(|failure| (result.name, failure.to_string()))
    });
    Ok(failed.collect())
}

fn config(scratch: &TempDir, options: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::builder(scratch.path())
        .define_driver("faulty", faulty(options))
        .driver("faulty")
        .build()
}

#[test]
fn records_in_memory_fail_where_records_are_to_last_or_to_be_shared_and_nowhere_else() -> Tested {
    let failed: Vec<&str> = failures(&[])?.into_keys().collect();
    let expected = [
        "a_restart_keeps_every_record",
        "an_instance_sees_what_another_replaced",
        "hits_of_two_instances_at_the_same_time_all_count",
        "hits_survive_a_restart",
        "records_stay_when_the_limits_change",
        "two_instances_see_each_others_hits",
        "two_instances_see_each_others_records",
        "what_two_instances_cache_at_the_same_time_is_complete",
        "what_was_forgotten_stays_forgotten_after_a_restart",
    ];
    let missing: Vec<_> = expected.iter().filter(|name| !failed.contains(name)).collect();
    let more: Vec<_> = failed
        .iter()
        .filter(|name| !expected.contains(name) && !name.contains("instance"))
        .collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "not detected: {missing:?}; also detected: {more:?}"
    );
    Ok(())
}

/// The case that must detect each fault.
const FOUND_BY: [(&str, &str, &str); 19] = [
    ("error-other", "record-hits", "a_random_sequence_of_calls_leaves_the_records_of_a_model"),
    ("no-victim", "select-victims", "a_random_sequence_of_calls_leaves_the_records_of_a_model"),
    ("trap", "is-cacheable", "admission_is_answered_for_an_unknown_size"),
    ("panic", "record-cached", "a_record_is_found_as_it_was_written"),
    ("error-other", "record-hits", "a_hit_counts_and_moves_the_last_access"),
    ("error-not-found", "forget", "unknown_images_are_passed_over_when_others_are_forgotten"),
    ("error-not-found", "get-cached-image", "an_unknown_image_has_no_record"),
    ("refuse", "get-cache-size", "images_and_bytes_are_summed"),
    ("unsorted", "get-cached-images", "pages_ascend_by_the_bytes_of_the_ids"),
    ("endless-page", "get-cached-images", "an_empty_page_ends_the_list"),
    ("too-many", "get-cached-images", "a_page_holds_no_more_than_its_limit"),
    ("foreign-image", "get-cached-images", "empty_records_hold_nothing"),
    ("foreign-victim", "select-victims", "victims_are_cached_images_each_named_once"),
    ("no-victim", "select-victims", "victims_cover_the_bytes_needed"),
    ("no-victim", "select-victims", "victims_are_named_for_every_limit"),
    ("no-victim", "select-victims", "victims_are_named_when_the_host_counted_otherwise"),
    ("every-victim", "select-victims", "no_more_victims_are_named_than_are_needed"),
    ("every-victim", "select-victims", "what_was_used_just_now_goes_only_where_bytes_are_needed"),
    ("path-leftover", "select-leftovers", "leftovers_to_remove_are_among_those_offered"),
];

#[test]
fn every_fault_is_found_by_the_case_that_is_there_for_it() -> Tested {
    for (fault, export, name) in FOUND_BY {
        let case = CASES.iter().find(|case| case.name == name).ok_or("no such case")?;
        let scratch = tempfile::tempdir()?;
        let sound = case.run(&config(&scratch, &[])?, scratch.path());
        assert_eq!(sound.outcome, Ok(()), "{name} fails without a fault");
        let faulty =
            case.run(&config(&scratch, &[("fault", fault), ("in", export)])?, scratch.path());
        assert_ne!(faulty.outcome, Ok(()), "{name} does not find {fault} in {export}");
    }
    Ok(())
}

#[test]
fn a_driver_that_cannot_be_loaded_fails_every_case() -> Tested {
    let failed = failures(&[("fault", "trap"), ("in", "configure")])?;
    assert_eq!(failed.len(), CASES.len());
    assert!(failed.values().all(|failure| failure.contains("the driver loads")), "{failed:?}");
    Ok(())
}
