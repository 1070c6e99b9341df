//! The kinds of producers, which read the source of a fetch.

use std::io;
use std::sync::{Arc, Weak};

/// What reads the next bytes from the source.
#[derive(Debug, Clone)]
pub(crate) enum Producer {
    /// The only reader that has the source, when it reads.
    Reader,
    /// Any reader that needs them.
    AnyReader(Weak<dyn SharedSource>),
    /// A task, as long as a reader needs them.
    Task,
}

/// A source that belongs to all readers of its fetch: a reader that needs bytes fetches them for all.
pub(crate) trait SharedSource: Send + Sync {
    /// Fetches the next bytes, or waits until another reader has fetched bytes after `position`; may do nothing.
    ///
    /// # Errors
    /// The error of the source or of its verification: the original for the reader that fetches, a copy for the others.
    fn fetch_next(&self, position: u64) -> io::Result<()>;

    /// Like [`fetch_next`](Self::fetch_next) without waiting; false if another reader is fetching.
    fn try_fetch_next(&self, position: u64) -> io::Result<bool>;

    /// Whether no reader is fetching.
    fn is_idle(&self) -> bool;

    /// The last reader was dropped: continues the fetch to its end in a thread, if configured.
    fn fetch_rest_detached(self: Arc<Self>);
}
