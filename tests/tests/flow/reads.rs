//! The guarantees for every reader, each written once and tested with three interfaces: the library, the library for tokio, and
//! the HTTP service. Each runs with both built-in drivers.

mod http;
mod library;
mod promises;
mod tokio;

pub use tokio::chunks_of;

use image_cache::Expected;
use image_cache_tests::{TempCache, Tested, ThrottledSource, md5_hex};
use std::io::Read;
use std::ops::Range;

/// A reader of the image `a`.
pub type Reader = Box<dyn Read + Send>;

/// One way to read the image `a` through a cache.
pub trait Reads: Sized + Sync {
    /// The bytes that may be in the buffers of sockets, before the reader reads them.
    const BUFFERED: usize;

    /// Opens the cache in front of a store. `fetch_to_end` is the option of this name.
    fn open(temp: &TempCache, store: &Store, fetch_to_end: bool) -> Tested<Self>;

    /// A reader of the whole image, which is fetched if it is neither cached nor being fetched.
    fn get(&self) -> Tested<Reader>;

    /// A reader of a range of it.
    fn get_range(&self, range: Range<u64>) -> Tested<Reader>;

    /// Closes the cache, so that everything is written; returns the number of failures of the cache, if this interface reports
    /// it.
    fn close(self) -> Tested<Option<u64>>;
}

/// The store behind the cache: it has the image `a`, with its MD5 and its length.
#[derive(Clone)]
pub struct Store {
    pub image: Vec<u8>,
    pub source: ThrottledSource,
    /// The MD5 that it reports.
    pub md5: String,
    /// Whether it can continue after an error, and serve ranges.
    pub is_sound: bool,
}

impl Store {
    /// A store that sends nothing yet.
    pub fn throttled(image: &[u8]) -> Store {
        let source = ThrottledSource::new(image);
        Store { image: image.to_vec(), source, md5: md5_hex(image), is_sound: true }
    }

    /// A store that sends everything.
    pub fn of(image: &[u8]) -> Store {
        let store = Store::throttled(image);
        store.source.finish();
        store
    }

    pub fn expected(&self) -> Tested<Expected> {
        Ok(Expected::nothing().with_md5(&self.md5)?.with_size(self.image.len() as u64))
    }
}

/// A test of each guarantee with each interface and driver.
macro_rules! with_all_interfaces {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            with_all_interfaces!(@ $promise library Library, tokio Tokio, http Http);
        }
    )+};
    (@ $promise:ident $($interface:ident $type:ident),+) => {$(
        mod $interface {
            use super::super::$interface::$type;
            use image_cache_tests::{TempCache, Tested};

            #[test]
            fn sqlite() -> Tested {
                super::super::promises::$promise::<$type>(&TempCache::new("sqlite"))
            }

            #[test]
            fn xattr() -> Tested {
                super::super::promises::$promise::<$type>(&TempCache::new("xattr"))
            }
        }
    )+};
}

with_all_interfaces![
    many_readers_of_one_cold_image_share_one_source,
    a_late_reader_gets_the_whole_image,
    no_reader_waits_for_a_slow_first_reader,
    a_fetch_continues_when_its_first_reader_leaves,
    a_fetch_without_readers_stops,
    with_fetch_to_end_a_fetch_without_readers_continues_to_its_end,
    of_a_wrong_image_no_reader_gets_the_last_byte,
    an_error_of_the_source_ends_every_reader,
    an_empty_image_is_shared_and_cached,
    a_cached_image_needs_no_source_and_each_read_counts_once,
    an_abandoned_read_counts_nothing_and_leaves_the_times_alone,
    ranges_of_a_cached_image_are_exact_and_count_once_each,
    ranges_of_a_running_fetch_are_returned_as_they_arrive,
    a_damaged_byte_is_never_returned,
    a_deleted_image_is_read_to_its_end,
    on_a_full_disk_every_reader_gets_all_bytes,
];
