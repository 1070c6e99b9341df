//! Forked children: they open the cache anew, undo and repeat nothing of their parent, and keep none of its locks.

use crate::PROGRAM;
use image_cache::{Expected, Outcome};
use image_cache_tests::{TempCache, Tested, bytes, embedded, fill, read_all, serve};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Cursor};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const SIZE: usize = 900_000;

/// How long another process may wait after its predecessor was killed: 1 s, for a slow machine five times as long.
const AT_ONCE: Duration = Duration::from_secs(5);

#[test]
fn a_child_opens_the_cache_anew_and_the_parent_goes_on() -> Tested {
    for driver in ["sqlite", "xattr"] {
        let temp = TempCache::new(driver);
        let found = embedded::findings(PROGRAM, "fork-with-readers", &temp)?;
        let is_true = [
            "child-reader-fails",
            "child-reader-to-end-fails",
            "child-writer-fails",
            "child-fetch-fails",
            "child-undoes-nothing",
            "child-sees-writer",
            "child-reads",
            "grandchild-reads",
            "read-on",
            "fetched-on",
        ];
        for name in is_true {
            assert_eq!(found.get(name).map(String::as_str), Some("true"), "{name}: {found:?}");
        }
        assert_eq!(found["child-tickers"], "1");
        assert_eq!(found["written"], "Cached");
        let (cache, image) = (temp.open(), bytes(1, SIZE));
        // Three of the parent, one of the child, one of the grandchild: none is lost, and none is written twice.
        assert_eq!((cache.hit_count("a")?, cache.hit_count("b")?), (5, 1));
        for id in ["a", "b", "written", "fetched", "child", "grandchild"] {
            assert!(serve(&cache, id)? == image, "{id}");
        }
        assert!(temp.names("incomplete").is_empty() && temp.names("invalid").is_empty());
    }
    Ok(())
}

/// A process of a scenario, and its child, which are killed at the end.
struct Forked {
    parent: Child,
    child: Pid,
}

impl Drop for Forked {
    fn drop(&mut self) {
        let _ = self.parent.kill();
        let _ = self.parent.wait();
        let _ = kill(self.child, Signal::SIGKILL);
    }
}

#[test]
fn a_child_that_sleeps_keeps_no_lock_of_its_killed_parent() -> Tested {
    let temp = TempCache::new("sqlite");
    let mut parent =
        embedded::command(PROGRAM, "fork-and-wait", &temp).stdout(Stdio::piped()).spawn()?;
    let output = BufReader::new(parent.stdout.take().ok_or("its output is piped")?);
    let lines: Vec<String> = output.lines().map_while(Result::ok).take(1).collect();
    let child = lines[0].strip_prefix("ready ").ok_or("it is not ready")?.parse()?;
    let mut forked = Forked { parent, child: Pid::from_raw(child) };
    let (cache, image) = (temp.open(), bytes(1, SIZE));
    assert!(cache.is_being_cached("killed")?, "the parent writes it");
    forked.parent.kill()?;
    forked.parent.wait()?;
    kill(forked.child, None).map_err(|error| format!("the child is gone: {error}"))?;
    let begun = Instant::now();
    assert!(!cache.is_being_cached("killed")?, "the child has the lock of the writer");
    let source = image.clone();
    let mut reader =
        cache.get_or_fetch("killed", Expected::nothing(), move || Ok(Cursor::new(source)))?;
    assert!(read_all(&mut reader)? == image);
    assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))), "{:?}", reader.outcome());
    drop(reader);
    fill(&cache, "other", &image);
    // The reader's lock would keep the image from being evicted.
    cache.reconfigure(|options| options.max_size(0))?;
    let pruned = cache.prune()?;
    assert_eq!(temp.open().cached_images()?, [], "{pruned:?}");
    assert!(begun.elapsed() < AT_ONCE, "it took {:?}", begun.elapsed());
    kill(forked.child, None).map_err(|error| format!("the child is gone: {error}"))?;
    Ok(())
}

#[test]
fn children_of_a_busy_process_work() -> Tested {
    for driver in ["sqlite", "xattr"] {
        let temp = TempCache::new(driver);
        let found = embedded::findings(PROGRAM, "fork-while-working", &temp)?;
        assert_eq!(found["children"], "20");
        let cache = temp.open();
        for number in 0..20 {
            assert!(serve(&cache, &format!("child-{number}"))? == bytes(1, 100_000), "{number}");
        }
    }
    Ok(())
}
