//! The conformance suite on the built-in drivers, as components: one test for each case and driver.

use image_cache::conformance::{self, CASES, Case, LRU_CASES};
use image_cache::{AdmissionRequest, Config, Decision, Requester};
use image_cache_tests::Tested;
use std::collections::BTreeSet;
use std::time::SystemTime;

/// Creates a test for each case, with the name of the case, in the module where the macro is used.
macro_rules! tests_of {
    ($driver:literal, $table:ident; $($group:ident: $($case:ident)+;)+) => {$($(
        #[test]
        fn $case() -> image_cache_tests::Tested {
            super::passes($driver, super::$table, stringify!($case))
        }
    )+)+};
}

mod sqlite {
    image_cache::for_each_conformance_case!(tests_of "sqlite", CASES;);
    image_cache::for_each_lru_case!(tests_of "sqlite", LRU_CASES;);
}

mod xattr {
    image_cache::for_each_conformance_case!(tests_of "xattr", CASES;);
    image_cache::for_each_lru_case!(tests_of "xattr", LRU_CASES;);
}

fn passes(driver: &str, table: &[Case], name: &str) -> Tested {
    let case = table.iter().find(|case| case.name == name).ok_or("the case is not in its table")?;
    let scratch = tempfile::tempdir()?;
    let config = Config::builder(scratch.path()).driver(driver).build()?;
    Ok(case.run(&config, scratch.path()).outcome?)
}

#[test]
fn the_drivers_of_glance_admit_every_image() -> Tested {
    for driver in ["sqlite", "xattr"] {
        let scratch = tempfile::tempdir()?;
        let config = Config::builder(scratch.path().join("cache")).driver(driver).build()?;
        let loaded = conformance::load(&config)?;
        for size in [None, Some(0), Some(1 << 53), Some(i64::MAX.unsigned_abs())] {
            let (image_id, requester) = (&"any".parse()?, &Requester::default());
            let request = AdmissionRequest::new(image_id, size, SystemTime::now(), requester);
            assert_eq!(loaded.admit(&request)?, Decision::Admit, "{driver}, {size:?}");
        }
    }
    Ok(())
}

#[test]
fn case_names_are_sentences_and_each_is_there_once() {
    let names: Vec<&str> = CASES.iter().chain(LRU_CASES).map(|case| case.name).collect();
    assert!(CASES.len() >= 45, "{} cases", CASES.len());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for name in names {
        assert!(name.split('_').count() >= 4, "{name} is not a sentence");
    }
}

#[test]
fn a_case_leaves_nothing_behind() -> Tested {
    let scratch = tempfile::tempdir()?;
    let config = Config::builder(scratch.path()).build()?;
    assert_eq!(CASES[0].run(&config, scratch.path()).outcome, Ok(()));
    assert_eq!(std::fs::read_dir(scratch.path())?.count(), 0);
    Ok(())
}
