//! The calls of an operation, each identified by its thread and number, and a watcher that acts at one of them.

use super::call::{Call, Kind};
use super::tracer::{Act, Watcher};
use nix::libc;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// One call of a run: the `nth` of its name in its thread, from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The thread.
    pub thread: usize,
    /// The call's name.
    pub name: &'static str,
    /// The occurrence in its thread.
    pub nth: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} no. {} of thread {}", self.name, self.nth, self.thread)
    }
}

/// Numbers the relevant calls: all calls that change something, and those that read below one directory.
struct Counter {
    below: PathBuf,
    counts: BTreeMap<(usize, &'static str), u32>,
}

impl Counter {
    fn new(below: &Path) -> Counter {
        Counter { below: below.to_owned(), counts: BTreeMap::new() }
    }

    fn point(&mut self, call: &Call) -> Option<Point> {
        let counts = match call.kind {
            Kind::Changes => true,
            Kind::Reads => call.path().is_some_and(|path| path.starts_with(&self.below)),
            Kind::Other => false,
        };
        if !counts {
            return None;
        }
        let nth = self.counts.entry((call.thread, call.name)).or_default();
        *nth += 1;
        Some(Point { thread: call.thread, name: call.name, nth: *nth })
    }
}

/// Records all calls.
pub struct Recorder {
    counter: Counter,
    /// The call, whether it changes something, and its object.
    pub points: Vec<(Point, Kind, String)>,
}

impl Recorder {
    /// Only reading calls below this directory are recorded.
    pub fn new(below: &Path) -> Recorder {
        Recorder { counter: Counter::new(below), points: Vec::new() }
    }
}

impl Watcher for Recorder {
    fn enter(&mut self, call: &Call) -> Act {
        if let Some(point) = self.counter.point(call) {
            let path = call.path().map_or_else(String::new, |path| path.display().to_string());
            self.points.push((point, call.kind, path));
        }
        Act::Go
    }

    fn leave(&mut self, _: &Call, _: i64) {}
}

/// Injects a fault at one point.
pub struct Injector {
    counter: Counter,
    point: Point,
    act: Act,
    /// The object of the call, after the fault was injected.
    pub injected_at: Option<String>,
}

impl Injector {
    /// Executes `act` at `point`; reading calls are counted below a directory.
    pub fn new(below: &Path, point: &Point, act: Act) -> Injector {
        Injector { counter: Counter::new(below), point: point.clone(), act, injected_at: None }
    }
}

impl Watcher for Injector {
    fn enter(&mut self, call: &Call) -> Act {
        if self.counter.point(call).as_ref() != Some(&self.point) {
            return Act::Go;
        }
        self.injected_at =
            Some(call.path().map_or_else(String::new, |path| path.display().to_string()));
        self.act
    }

    fn leave(&mut self, _: &Call, _: i64) {}
}

/// A file system that cannot rename without replacing, such as NFS, 9p and some FUSE file systems: such a call fails, and the
/// inner watcher does not see it.
pub struct CannotKeepFromReplacing<'a>(pub &'a mut dyn Watcher);

impl Watcher for CannotKeepFromReplacing<'_> {
    fn enter(&mut self, call: &Call) -> Act {
        if call.must_not_replace() { Act::Fail(libc::EINVAL) } else { self.0.enter(call) }
    }

    fn leave(&mut self, call: &Call, answer: i64) {
        if !call.must_not_replace() {
            self.0.leave(call, answer);
        }
    }
}
