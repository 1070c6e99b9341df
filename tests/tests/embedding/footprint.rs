//! The figures of the page on embedding: docs/embedding-process.md.

use crate::PROGRAM;
use image_cache_tests::{TempCache, Tested, embedded};

/// The descriptors of the process, of each open cache with the sqlite driver, and of a reader, a writer or a fetch.
const OF_PROCESS: usize = 1;
const OF_CACHE: usize = 14;
const OF_READER: usize = 1;
const OF_WRITER: usize = 1;

/// Memory for one cache, a fill and ten readers, in KiB.
const MEMORY_KIB: u64 = 96 << 10;

/// Five times the time that opening and dropping take on a slow disk, in milliseconds.
const OPEN: u64 = 5_000;
const DROP: u64 = 5_000;

#[test]
fn threads_descriptors_memory_and_times_are_within_the_documented_bounds() -> Tested {
    let temp = TempCache::new("sqlite");
    let found = embedded::findings(PROGRAM, "footprint", &temp)?;
    let threads = |step: &str| found[&format!("{step}-threads")].clone();
    let ticker = "image-cache-tic";
    let with = |more: &[&str]| [&["embedded"][..], more].concat().join(",");
    for step in ["start", "open", "second", "filled", "readers", "end"] {
        assert_eq!(threads(step), with(&[ticker]), "{step}");
    }
    for step in ["writer", "fetch"] {
        assert_eq!(threads(step), with(&["image-cache-md5", ticker]), "{step}");
    }
    assert_eq!(threads("hit"), with(&["image-cache-hit", ticker]), "it writes the hits later");
    let descriptors =
        |step: &str| -> Tested<usize> { Ok(found[&format!("{step}-descriptors")].parse()?) };
    let (begin, start) = (descriptors("begin")?, descriptors("start")?);
    assert!(start - begin <= OF_PROCESS, "{start} after {begin}");
    let open = descriptors("open")?;
    assert!(open - start <= OF_CACHE, "{open} after {start}");
    assert!(descriptors("second")? - open <= OF_CACHE);
    assert!(descriptors("readers")? - open <= 10 * OF_READER);
    assert!(descriptors("writer")? - open <= OF_WRITER);
    assert!(descriptors("fetch")? - open <= OF_WRITER);
    assert_eq!(descriptors("end")?, start, "everything is closed");
    let number = |name: &str| -> Tested<u64> { Ok(found[name].parse()?) };
    assert!(number("memory-kib")? <= MEMORY_KIB, "{}", found["memory-kib"]);
    assert!(number("open-milliseconds")? <= OPEN, "{}", found["open-milliseconds"]);
    assert!(number("drop-milliseconds")? <= DROP, "{}", found["drop-milliseconds"]);
    Ok(())
}

#[test]
fn the_process_gets_the_documented_signal_handlers_and_keeps_its_mask() -> Tested {
    let temp = TempCache::new("sqlite");
    let signals = embedded::findings(PROGRAM, "footprint", &temp)?.remove("signals");
    // SIGILL and SIGSEGV, and on x86-64 SIGFPE.
    let expected = if cfg!(target_arch = "x86_64") { "[4, 8, 11]" } else { "[4, 11]" };
    assert_eq!(signals.as_deref(), Some(expected));
    let temp = TempCache::new("sqlite");
    let without = embedded::findings(PROGRAM, "footprint-without-signals", &temp)?;
    assert_eq!(without["signals"], "[]");
    Ok(())
}
