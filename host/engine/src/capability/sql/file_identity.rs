//! Whether a database's file is still the one at its path: checked at each call, in a third of the time of a `stat`.

use super::location::{DatabaseIdentity, Location};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Number of checks before a watch is created: the kernel needs about 5 ms to end one, and a short command would wait for that.
const CHECKS_WITHOUT_WATCH: u32 = 100;

/// A watch on a file that was at its path when the watch began. The kernel reports a move or a removal before it is finished
/// ([inotify(7)](https://man7.org/linux/man-pages/man7/inotify.7.html)): without an event, nothing happened.
#[derive(Debug)]
pub(super) struct FileIdentityCheck {
    location: Arc<Location>,
    expected: DatabaseIdentity,
    /// Remaining checks before the watch is created.
    without_watch: u32,
    events: Option<OwnedFd>,
}

impl FileIdentityCheck {
    /// Watches the file of this location after some checks. Before that, or if the file is then not `expected`, or if the
    /// kernel allows no further watch, every check returns "not certain".
    pub fn new(location: &Arc<Location>, expected: DatabaseIdentity) -> Self {
        FileIdentityCheck {
            location: Arc::clone(location),
            expected,
            without_watch: CHECKS_WITHOUT_WATCH,
            events: None,
        }
    }

    fn watch(&self) -> Option<OwnedFd> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        // The number of its names also changes if another file is moved to its name.
        let flags = WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::ATTRIB
            | WatchFlags::DONT_FOLLOW;
        inotify::add_watch(&events, self.location.path(), flags).ok()?;
        (self.location.identity().ok()? == Some(self.expected)).then_some(events)
    }

    /// Returns true if the file is certainly the same. After the first event of any kind it always returns false.
    pub fn check(&mut self) -> bool {
        if self.without_watch > 0 {
            self.without_watch -= 1;
            if self.without_watch == 0 {
                self.events = self.watch();
            }
        }
        let Some(events) = &self.events else { return false };
        let is_quiet = rustix::io::read(events, &mut [0; 64]) == Err(Errno::AGAIN);
        if !is_quiet {
            self.events = None;
        }
        is_quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// After enough checks for a watch to exist, if the kernel allows one.
    fn watched(path: &Path, expected: DatabaseIdentity) -> FileIdentityCheck {
        let mut in_place = FileIdentityCheck::new(&Arc::new(Location::at(path)), expected);
        assert!((1..CHECKS_WITHOUT_WATCH).all(|_| !in_place.check()), "nothing is watched yet");
        in_place
    }

    /// Applies a change to a watched file.
    fn after(change: impl FnOnce(&Path)) -> FileIdentityCheck {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("cache.db");
        fs::write(&path, "a database").expect("a file");
        let found =
            Location::at(&path).identity().expect("the file is readable").expect("it exists");
        let mut in_place = watched(&path, found);
        assert!(in_place.check());
        fs::write(&path, "more of it").expect("a write is not a move");
        assert!(in_place.check());
        // SQLite's connection also keeps the file open: the inode of an open file remains.
        let _open = fs::File::open(&path).expect("it exists");
        change(&path);
        in_place
    }

    #[test]
    fn a_moved_removed_or_replaced_file_is_not_certain() {
        let away = |path: &Path| fs::rename(path, path.with_extension("aside")).expect("a move");
        let gone = |path: &Path| fs::remove_file(path).expect("a removal");
        let replaced = |path: &Path| {
            let other = path.with_extension("new");
            fs::write(&other, "another").expect("a file");
            fs::rename(other, path).expect("a move");
        };
        for (what, mut in_place) in
            [("away", after(away)), ("gone", after(gone)), ("replaced", after(replaced))]
        {
            assert!(!in_place.check(), "{what}");
            assert!(!in_place.check(), "{what}, at the second check");
        }
    }

    #[test]
    fn a_file_that_differs_from_the_start_is_not_certain() {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("cache.db");
        fs::write(&path, "a database").expect("a file");
        assert!(!watched(&path, (0, 0)).check());
        assert!(!watched(&scratch.path().join("none"), (0, 0)).check());
    }
}
