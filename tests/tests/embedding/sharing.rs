//! Several caches in one process.

use crate::PROGRAM;
use image_cache_tests::{TempCache, Tested, embedded};

#[test]
fn two_caches_share_one_ticker_and_the_code_of_their_driver() -> Tested {
    let temp = TempCache::new("sqlite");
    let found = embedded::findings(PROGRAM, "two-caches", &temp)?;
    assert_eq!(found["tickers"], "1");
    assert_eq!(found["compiled-before"], "true");
    assert_eq!(found["compiled-beside-one"], "false", "the open cache has it");
    assert_eq!(found["compiled-beside-two"], "false", "one of them still has it");
    assert_eq!(found["compiled-after"], "true", "it is freed with the last driver");
    Ok(())
}
