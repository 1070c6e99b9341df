//! Who reads the source of a fetch.

use std::io;
use std::sync::{Arc, Weak};

/// Who reads the next bytes from the source.
#[derive(Debug, Clone)]
pub(crate) enum Producer {
    /// The one reader that has the source, when it reads on.
    Reader,
    /// Each reader that needs them.
    AnyReader(Weak<dyn SharedSource>),
    /// A task, as long as a reader needs them.
    Task,
}

/// A source that belongs to all readers of its fetch: a reader that needs bytes fetches them for all.
pub(crate) trait SharedSource: Send + Sync {
    /// Fetches the next bytes, or waits until another reader has fetched some behind `position`; may do nothing.
    ///
    /// # Errors
    /// The source's, and the verdict on it: as it is to the reader that happens to fetch, as a copy to all others.
    fn fetch_next(&self, position: u64) -> io::Result<()>;

    /// The same without waiting; false if another reader is fetching.
    fn try_fetch_next(&self, position: u64) -> io::Result<bool>;

    /// Whether no reader is fetching.
    fn is_idle(&self) -> bool;

    /// The last reader has gone: the fetch goes on to its end in a thread, if that is configured.
    fn fetch_rest_detached(self: Arc<Self>);
}
