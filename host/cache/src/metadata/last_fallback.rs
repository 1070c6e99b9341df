//! The last fallback to sqlite in any process: a small file, so that an operator learns of one in a service from `status`.

use super::fallback::{Fallback, FallbackReason};
use image_cache_model::{names, printable, system_time, timestamp};
use image_cache_store::Directory;
use std::io;
use std::time::{Duration, SystemTime};

/// The file's name.
const FILE: &str = "last-fallback";

/// How long a fallback is remembered: if its process still runs, the log says so.
const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);

/// Longest text that is shown, in bytes.
const MAX_TEXT: usize = 2048;

/// A fallback that a process made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastFallback {
    /// The process.
    pub process: u32,
    /// When it used sqlite instead; precise to microseconds.
    pub at: SystemTime,
    /// The configured driver, and why it could not be used: a [`Noted`](FallbackReason::Noted) text.
    pub fallback: Fallback,
}

/// Notes a fallback of this process; if that fails, it is only in the log.
pub(super) fn save(directory: &Directory, fallback: &Fallback) {
    let Fallback { configured, reason } = fallback;
    let (process, at) = (std::process::id(), timestamp(SystemTime::now()));
    let text = format!("{process}\n{at}\n{}\n{reason}", printable(configured, MAX_TEXT));
    let saved = directory.small_files(names::in_own(names::STATE));
    if let Err(error) = saved.and_then(|files| files.save(FILE, text.as_bytes())) {
        tracing::debug!(%error, "the fallback is not noted for other processes");
    }
}

/// The last fallback from the driver `configured`; `None` if there was none within a week, or its note is damaged.
pub(crate) fn load(directory: &Directory, configured: &str) -> io::Result<Option<LastFallback>> {
    let Some(bytes) = directory.small_files(names::in_own(names::STATE))?.load(FILE)? else {
        return Ok(None);
    };
    let found = parse(&String::from_utf8_lossy(&bytes));
    let is_recent = |found: &LastFallback| found.at.elapsed().is_ok_and(|age| age < REMEMBERED);
    Ok(found.filter(|found| found.fallback.configured == configured && is_recent(found)))
}

/// Forgets the fallback: the configured driver is in use again.
pub(super) fn forget(directory: &Directory) {
    let files = directory.small_files(names::in_own(names::STATE));
    if let Err(error) = files.and_then(|files| files.remove(FILE)) {
        tracing::debug!(%error, "the note of the last fallback remains");
    }
}

fn parse(text: &str) -> Option<LastFallback> {
    let mut parts = text.splitn(4, '\n');
    let (process, at) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let configured = parts.next()?.to_owned();
    let reason = FallbackReason::Noted(printable(parts.next()?, MAX_TEXT));
    Some(LastFallback { process, at: system_time(at), fallback: Fallback { configured, reason } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_fallback_is_known_to_other_processes_until_the_driver_works_again() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path(), "cache.db".as_ref()).expect("it opens");
        assert_eq!(load(&directory, "lfu").expect("it is read"), None);
        let fallback = Fallback {
            configured: "lfu".into(),
            reason: FallbackReason::Noted("it\ntraps".into()),
        };
        save(&directory, &fallback);
        let found = load(&directory, "lfu").expect("it is read").expect("there is one");
        assert_eq!(found.process, std::process::id());
        assert_eq!(found.fallback.reason, FallbackReason::Noted("it\\ntraps".into()));
        assert_eq!(load(&directory, "other").expect("it is read"), None);
        forget(&directory);
        assert_eq!(load(&directory, "lfu").expect("it is read"), None);
    }

    #[test]
    fn a_damaged_note_is_none() {
        for text in ["", "1\n2\n", "x\n2\nlfu\nwhy", "1\n-2\nlfu\nwhy", "1\n2\nlfu"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
