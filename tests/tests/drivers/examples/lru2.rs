//! LRU-2: the last use but one decides. It is in Python, and its component takes time to build and to load, so only a full run tests
//! it.

use super::{ALL, CASES, LRU2, Trial, id, passes, refusal};
use image_cache_tests::{Tested, is_full_run};

const SKIPPED: &str = "the example driver lru2-py is not tested";

#[test]
fn lru2_passes_the_conformance_suite() -> Tested {
    if is_full_run(SKIPPED) { passes(&LRU2, CASES, &[]) } else { Ok(()) }
}

#[test]
fn lru2_evicts_by_the_last_use_but_one() -> Tested {
    if !is_full_run(SKIPPED) {
        return Ok(());
    }
    let Some(mut trial) = Trial::new(&LRU2, &[])? else { return Ok(()) };
    for (name, second) in [("often", 0), ("twice", 1), ("once", 2)] {
        trial.add(name, 10, second)?;
    }
    trial.hit("twice", [3])?;
    trial.hit("often", [4, 5, 6])?;
    trial.add("new", 10, 7)?;
    // A fetch is a use: `twice` was used at 1 and 3, `often` last at 5 and 6.
    let order = ["once", "new", "twice", "often"];
    assert_eq!(trial.victims(ALL, 10)?, order);
    trial.reconfigure(&[])?;
    assert_eq!(trial.victims(ALL, 10)?, order);
    assert_eq!(trial.victims(11, 10)?, ["once", "new"]);
    Ok(())
}

#[test]
fn lru2_names_an_unknown_option() -> Tested {
    if !is_full_run(SKIPPED) {
        return Ok(());
    }
    if let Some(words) = refusal(&LRU2, &[("k", "3")])? {
        assert!(words.contains("unknown option k"), "{words}");
    }
    Ok(())
}

#[test]
fn an_exception_of_lru2_is_in_the_error_with_its_functions_and_lines() -> Tested {
    if !is_full_run(SKIPPED) {
        return Ok(());
    }
    let Some(trial) = Trial::new(&LRU2, &[])? else { return Ok(()) };
    trial.add("image", 10, 0)?;
    // No algorithm has such a checksum.
    trial.database()?.execute("UPDATE images SET checksum = 'abc'", [])?;
    let error =
        trial.driver.cached_image(&id("image")).expect_err("it raises KeyError").to_string();
    assert!(error.contains("it said: KeyError: 3; in record (records.py:"), "{error}");
    assert!(error.contains(" < Driver.get_cached_image (lru2.py:"), "{error}");
    Ok(())
}
