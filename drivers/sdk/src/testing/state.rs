//! The state of a thread's host.

use crate::testing::log::Level;
use rusqlite::Connection;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// A cached image.
#[derive(Debug, Clone)]
pub struct Image {
    pub size: u64,
    /// Microseconds since 1970.
    pub modified: u64,
    pub accessed: u64,
    pub attributes: BTreeMap<String, Vec<u8>>,
}

impl Image {
    pub fn new(size: u64, now: u64) -> Image {
        Image { size, modified: now, accessed: now, attributes: BTreeMap::new() }
    }
}

/// The name of a metric, and its labels, ascending by name.
pub type Series = (String, Vec<(String, String)>);

/// What the imports of a driver work on.
pub struct State {
    pub database: Connection,
    pub images: BTreeMap<String, Image>,
    pub pinned: BTreeSet<String>,
    pub metrics: BTreeMap<Series, f64>,
    pub messages: Vec<(Level, String)>,
    pub max_bytes: u64,
    /// Whether victims are being selected: the driver may ask for the usage then.
    pub is_evicting: bool,
}

impl Default for State {
    fn default() -> State {
        State {
            database: Connection::open_in_memory().expect("SQLite has memory"),
            images: BTreeMap::new(),
            pinned: BTreeSet::new(),
            metrics: BTreeMap::new(),
            messages: Vec::new(),
            max_bytes: 10 << 30,
            is_evicting: false,
        }
    }
}

/// Works on the state of this thread's host.
pub fn with<T>(work: impl FnOnce(&mut State) -> T) -> T {
    thread_local! {
        static STATE: RefCell<State> = RefCell::default();
    }
    STATE.with_borrow_mut(work)
}
