//! The figures of the page on embedding: docs/embedding-process.md.

use crate::PROGRAM;
use image_cache_tests::{TempCache, Tested, embedded};
use std::collections::BTreeMap;

/// The descriptors of the process, of each open cache with the sqlite and the xattr driver, of a reader, of a writer or a fetch, of a
/// running call, and of one that removes many images.
const OF_PROCESS: usize = 1;
const OF_CACHE: usize = 15;
const OF_XATTR: usize = 11;
const OF_READER: usize = 1;
const OF_WRITER: usize = 1;
const OF_CALL: usize = 8;
const OF_REMOVAL: usize = 330;

/// Threads that help a call to list, and to close files.
const LISTING: usize = 1;
const CLOSING: usize = 16;

/// Memory for one cache, a fill and ten readers; for the compiler; and for a driver in addition to its linear memory, in KiB.
const MEMORY_KIB: u64 = 96 << 10;
const COMPILER_KIB: u64 = 150 << 10;
const BESIDE_DRIVER_KIB: u64 = 24 << 10;

/// Ten times the time that opening and dropping take at most, in milliseconds.
const OPEN: u64 = 500;
const DROP: u64 = 500;

/// The thread that every process with a cache has, as the kernel names it.
const TICKER: &str = "image-cache-tic";
const MD5: &str = "image-cache-md5";
/// SHA-256 and SHA-512.
const SHA: &str = "image-cache-sha";

/// What a scenario has printed.
struct Found(BTreeMap<String, String>);

impl Found {
    fn of(scenario: &str, temp: &TempCache) -> Tested<Found> {
        Ok(Found(embedded::findings(PROGRAM, scenario, temp)?))
    }

    fn text(&self, name: &str) -> Tested<&str> {
        Ok(self.0.get(name).ok_or_else(|| format!("{name} is not in {:?}", self.0))?)
    }

    fn number(&self, name: &str) -> Tested<u64> {
        Ok(self.text(name)?.parse()?)
    }

    fn descriptors(&self, step: &str) -> Tested<usize> {
        Ok(self.text(&format!("{step}-descriptors"))?.parse()?)
    }

    /// In these steps the process has its own thread, the ticker and these threads.
    fn assert_threads(&self, steps: &[&str], more: &[&str]) -> Tested {
        let mut expected = [&["embedded", TICKER][..], more].concat();
        expected.sort_unstable();
        for step in steps {
            assert_eq!(self.text(&format!("{step}-threads"))?, expected.join(","), "{step}");
        }
        Ok(())
    }

    /// From one step to another the process gets at most so many descriptors.
    fn assert_more(&self, from: &str, to: &str, most: usize) -> Tested {
        let (from, to) = (self.descriptors(from)?, self.descriptors(to)?);
        assert!(to <= from + most, "{to} after {from}: {:?}", self.0);
        Ok(())
    }

    /// The process has as many descriptors as in an earlier step.
    fn assert_as_before(&self, earlier: &str, later: &str) -> Tested {
        assert_eq!(self.descriptors(later)?, self.descriptors(earlier)?, "{later}: {:?}", self.0);
        Ok(())
    }
}

#[test]
fn threads_descriptors_and_memory_are_within_the_documented_bounds() -> Tested {
    let temp = TempCache::new("sqlite");
    let found = Found::of("footprint", &temp)?;
    found.assert_threads(&["start", "open", "second", "filled", "readers", "end"], &[])?;
    found.assert_threads(&["writer", "fetch"], &[MD5])?;
    // It writes the hits later.
    found.assert_threads(&["hit"], &["image-cache-hit"])?;
    found.assert_more("begin", "start", OF_PROCESS)?;
    found.assert_more("start", "open", OF_CACHE)?;
    found.assert_more("open", "second", OF_CACHE)?;
    found.assert_more("open", "readers", 10 * OF_READER)?;
    found.assert_more("open", "writer", OF_WRITER)?;
    found.assert_more("open", "fetch", OF_WRITER)?;
    found.assert_as_before("start", "end")?;
    let memory = found.number("memory-kib")?;
    assert!(memory <= MEMORY_KIB, "{memory} KiB");
    Ok(())
}

#[test]
fn opening_and_dropping_take_at_most_ten_times_as_long_as_documented() -> Tested {
    let found = Found::of("times", &TempCache::new("sqlite"))?;
    let (open, dropped) = (found.number("open-milliseconds")?, found.number("drop-milliseconds")?);
    assert!(open <= OPEN, "{open} ms");
    assert!(dropped <= DROP, "{dropped} ms");
    assert_eq!(found.number("hits")?, 70, "each drop has written its hits");
    Ok(())
}

#[test]
fn a_cache_with_the_xattr_driver_has_fewer_descriptors_and_no_thread_of_its_own() -> Tested {
    let found = Found::of("footprint-of-xattr", &TempCache::new("xattr"))?;
    found.assert_threads(&["start", "open", "reader", "end"], &[])?;
    found.assert_threads(&["writer"], &[MD5])?;
    found.assert_more("start", "open", OF_XATTR)?;
    found.assert_more("start", "writer", OF_XATTR + OF_WRITER)?;
    found.assert_more("start", "reader", OF_XATTR + OF_READER)?;
    found.assert_as_before("start", "end")
}

#[test]
fn each_algorithm_has_one_thread_until_the_end_of_the_fetch() -> Tested {
    let found = Found::of("footprint-of-digests", &TempCache::new("sqlite"))?;
    found.assert_threads(&["open", "written", "fetched", "end"], &[])?;
    found.assert_threads(&["writer"], &[MD5, SHA, SHA])?;
    found.assert_threads(&["fetch"], &[MD5, SHA])?;
    found.assert_more("open", "writer", OF_WRITER)?;
    found.assert_as_before("open", "fetched")?;
    found.assert_as_before("start", "end")
}

#[test]
fn a_fetch_without_readers_has_one_thread_until_its_end() -> Tested {
    let found = Found::of("footprint-of-fetch-to-end", &TempCache::new("sqlite"))?;
    found.assert_threads(&["open", "fetched", "end"], &[])?;
    found.assert_threads(&["reader"], &[MD5])?;
    found.assert_threads(&["without-reader"], &["image-cache-fet", MD5])?;
    found.assert_more("open", "without-reader", OF_WRITER)?;
    found.assert_as_before("open", "fetched")?;
    found.assert_as_before("start", "end")?;
    assert_eq!(found.text("cached")?, "true");
    Ok(())
}

#[test]
fn many_images_are_listed_and_removed_with_the_documented_threads() -> Tested {
    let found = Found::of("footprint-of-many-images", &TempCache::in_memory("sqlite"))?;
    found.assert_threads(&["open", "filled", "listed", "removed", "end"], &[])?;
    assert_eq!(found.number("listed-image-cache-scan")?, LISTING as u64);
    for step in ["listed", "removed"] {
        let most = |name: &str| found.number(&format!("{step}-{name}"));
        assert!(most("image-cache-scan")? <= LISTING as u64);
        assert!(most("image-cache-close")? <= CLOSING as u64);
        let descriptors = if step == "removed" { OF_REMOVAL } else { OF_CALL };
        assert!(most("more-descriptors")? <= descriptors as u64, "{step}: {:?}", found.0);
    }
    found.assert_more("start", "filled", OF_CACHE)?;
    found.assert_as_before("filled", "listed")?;
    found.assert_as_before("filled", "removed")?;
    found.assert_as_before("start", "end")
}

#[test]
fn compiled_code_that_is_kept_nowhere_costs_the_documented_memory_and_writes_nothing() -> Tested {
    let temp = TempCache::new("sqlite");
    let kept = temp.dir().with_extension("kept");
    let scenario = "footprint-without-kept-code";
    let mut command = embedded::command(PROGRAM, scenario, &temp);
    command.env("CACHE_DIRECTORY", &kept).env("XDG_CACHE_HOME", &kept).env("HOME", &kept);
    let found = Found(embedded::findings_of(&mut command, scenario)?);
    found.assert_threads(&["open", "second", "end"], &[])?;
    found.assert_more("begin", "open", OF_PROCESS + OF_CACHE)?;
    found.assert_more("open", "second", OF_CACHE)?;
    found.assert_more("begin", "end", OF_PROCESS)?;
    assert_eq!(found.text("served")?, "true");
    let compiler = found.number("compiler-kib")?;
    assert!(compiler <= COMPILER_KIB, "{compiler} KiB");
    assert!(!kept.exists(), "something was kept");
    Ok(())
}

#[test]
fn a_driver_gets_no_more_memory_than_its_limit() -> Tested {
    for (scenario, mebibytes) in
        [("memory-of-a-small-limit", 8), ("memory-of-the-default-limit", 64)]
    {
        let found = Found::of(scenario, &TempCache::new("sqlite"))?;
        let memory = found.number("driver-kib")?;
        let limit: u64 = mebibytes << 10;
        assert!(memory <= limit + BESIDE_DRIVER_KIB, "{scenario}: {memory} KiB");
        assert!(memory >= limit / 2, "{scenario}: {memory} KiB: it did not take it");
        assert_eq!(found.text("replaced")?, "true", "{scenario}");
    }
    Ok(())
}

#[test]
fn the_process_gets_the_documented_signal_handlers_and_keeps_its_mask() -> Tested {
    let temp = TempCache::new("sqlite");
    let found = Found::of("footprint", &temp)?;
    // SIGILL and SIGSEGV, and on x86-64 SIGFPE.
    let expected = if cfg!(target_arch = "x86_64") { "[4, 8, 11]" } else { "[4, 11]" };
    assert_eq!(found.text("signals")?, expected);
    let temp = TempCache::new("sqlite");
    let without = Found::of("footprint-without-signals", &temp)?;
    assert_eq!(without.text("signals")?, "[]");
    Ok(())
}
