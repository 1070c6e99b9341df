//! Time, memory, stack, tables, and values between guest and host.

use image_cache_tests::components::{TRIED, assert_fell_back};
use image_cache_tests::hostile::Harness;
use image_cache_tests::{Tested, until};

/// Every export that the host calls after loading a driver.
const EXPORTS: [&str; 9] = [
    "is-cacheable",
    "record-cached",
    "record-hits",
    "forget",
    "get-cached-image",
    "get-cached-images",
    "get-cache-size",
    "select-victims",
    "select-leftovers",
];

/// In each export the call fails, and at last the driver is replaced; if it fails while it is loaded, it is refused at once.
fn fails_everywhere(guest: &str, words: &[&str]) -> Tested {
    for export in EXPORTS {
        Harness::of(guest)
            .in_export(export)
            .with_little_guest_time()
            .assert_replaced(&[words, &["times within 60 s"]].concat())?;
    }
    for export in ["configure", "describe"] {
        Harness::of(guest)
            .in_export(export)
            .with_little_guest_time()
            .assert_refused(&[words, &[export]].concat())?;
    }
    Ok(())
}

pub fn loops_in_every_export(_: Harness) -> Tested {
    fails_everywhere("loops_in_every_export", &["it computed for more than 50ms"])
}

pub fn loops_in_optional_exports(_: Harness) -> Tested {
    let harness = |export| {
        Harness::of("loops_in_optional_exports").in_export(export).with_little_guest_time().with(
            |driver| {
                driver.grants.insert(image_cache::Grant::Sql);
            },
        )
    };
    let words = "it computed for more than 50ms";
    for (export, operation) in [("admit", "is cacheable"), ("notify", "tell what happened")] {
        harness(export).assert_replaced(&[words, operation])?;
    }
    // It is called once a second.
    let harness = harness("tick");
    let cache = harness.open();
    assert!(until(|| {
        cache.reconcile_external_changes();
        cache.driver().fallback.is_some()
    }));
    assert_fell_back(&cache, TRIED, &[words, "tick"]);
    harness.assert_cache_works(&cache)
}

pub fn floods_its_metrics(harness: Harness) -> Tested {
    let harness = harness.with_long_deadlines();
    harness.assert_harmless()?;
    let cache = harness.open();
    harness.round(&cache, 9)?;
    let metrics = cache.driver_metrics();
    assert_eq!(metrics.len(), 200);
    assert!(metrics.iter().all(|metric| metric.name == "images"), "{metrics:?}");
    Ok(())
}

pub fn traps_in_every_export(_: Harness) -> Tested {
    fails_everywhere("traps_in_every_export", &["unreachable"])
}

pub fn recurses_without_end(_: Harness) -> Tested {
    fails_everywhere("recurses_without_end", &["stack exhausted"])
}

pub fn takes_all_memory(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_replaced(&["bytes of memory; its limit is 67108864"])
}

pub fn takes_all_handles(harness: Harness) -> Tested {
    harness.assert_replaced(&["handle"])
}

pub fn takes_all_tables(harness: Harness) -> Tested {
    harness.assert_replaced(&["elements of tables; the limit is 100000"])
}

pub fn loops_through_the_host(harness: Harness) -> Tested {
    let with_its_own_time = |driver: &mut image_cache::DriverConfig| {
        driver.limits.guest_time = driver.limits.call_time;
    };
    harness
        .with_short_deadlines()
        .with(with_its_own_time)
        .assert_replaced(&["the call took more than 300ms"])
}

pub fn is_busy_for_ever(harness: Harness) -> Tested {
    harness.with_short_deadlines().assert_replaced(&["2 times within 60 s", "busy"])
}

pub fn speaks_no_utf8(harness: Harness) -> Tested {
    harness.assert_replaced(&["utf-8"])
}

pub fn answers_a_huge_text(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_replaced(&["too much data"])
}

pub fn answers_a_huge_list(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_replaced(&["too much data"])
}

pub fn answers_more_than_asked(harness: Harness) -> Tested {
    harness.assert_replaced(&["where at most"])
}

pub fn passes_huge_values(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_replaced(&["too much data"])
}

pub fn asks_for_huge_answers(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn lends_memory_it_does_not_have(harness: Harness) -> Tested {
    harness.assert_refused(&["memory"])
}
