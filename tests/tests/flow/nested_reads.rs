//! Sources that read images of the cache themselves: reads that would wait for each other get an error.

use image_cache::{Expected, ImageCache};
use image_cache_tests::{TempCache, Tested, with_both_drivers};
use std::io::{self, Read};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

with_both_drivers![
    a_source_that_needs_its_own_image_gets_an_error,
    sources_that_need_each_other_s_images_get_an_error,
    a_source_may_read_another_image_through_the_cache,
];

/// A source that first reads an image through the cache, and then has these bytes; the result of the read is sent.
struct ReadsFirst {
    cache: ImageCache,
    needs: &'static str,
    bytes: Vec<u8>,
    has_read: mpsc::Sender<io::Result<Vec<u8>>>,
    start: Arc<Barrier>,
}

impl Read for ReadsFirst {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.bytes.is_empty() {
            self.start.wait();
            let (inner, bytes) = (b"inner".to_vec(), std::mem::take(&mut self.bytes));
            let fetch = move || Ok(io::Cursor::new(inner));
            let reader = self.cache.get_or_fetch(self.needs, Expected::nothing(), fetch);
            let mut reader = reader.expect("the id is sound");
            let mut image = Vec::new();
            let end = reader.read_to_end(&mut image).map(|_| image);
            let failed = end.as_ref().err().map(io::Error::kind);
            self.has_read.send(end).expect("the test waits");
            if let Some(kind) = failed {
                return Err(kind.into());
            }
            buf[..bytes.len()].copy_from_slice(&bytes);
            return Ok(bytes.len());
        }
        Ok(0)
    }
}

/// The result of a read in another thread.
type WholeRead = mpsc::Receiver<io::Result<Vec<u8>>>;

/// Starts a thread that reads an image whose source needs another image first.
fn read_with_need(
    cache: &ImageCache,
    (id, needs): (&'static str, &'static str),
    start: &Arc<Barrier>,
) -> (WholeRead, WholeRead) {
    let ((has_read, nested), (has_ended, ended)) = (mpsc::channel(), mpsc::channel());
    let (cache, start) = (cache.clone(), Arc::clone(start));
    std::thread::spawn(move || {
        let (inner, bytes) = (cache.clone(), b"outer".to_vec());
        let source = ReadsFirst { cache: inner, needs, bytes, has_read, start };
        let reader = cache.get_or_fetch(id, Expected::nothing(), move || Ok(source));
        let mut image = Vec::new();
        let end = reader.expect("the id is sound").read_to_end(&mut image).map(|_| image);
        has_ended.send(end).expect("the test waits");
    });
    (nested, ended)
}

/// A wait that ends at once, unless threads wait for each other.
const AT_ONCE: Duration = Duration::from_secs(60);

fn a_source_that_needs_its_own_image_gets_an_error(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let (nested, ended) = read_with_need(&cache, ("a", "a"), &Arc::new(Barrier::new(1)));
    let error = nested.recv_timeout(AT_ONCE)?.expect_err("it waits for itself");
    assert_eq!(error.kind(), io::ErrorKind::Deadlock);
    assert!(error.to_string().starts_with("image a: its fetch waits for this read"), "{error}");
    let error = ended.recv_timeout(AT_ONCE)?.expect_err("its source failed");
    assert_eq!(error.kind(), io::ErrorKind::Deadlock);
    assert!(!cache.is_cached("a")? && temp.records_in_sync().is_empty());
    Ok(())
}

fn sources_that_need_each_other_s_images_get_an_error(temp: &TempCache) -> Tested {
    let (cache, start) = (temp.open(), Arc::new(Barrier::new(3)));
    let pairs = [("a", "b"), ("b", "c"), ("c", "a")];
    let all: Vec<_> = pairs.map(|pair| read_with_need(&cache, pair, &start)).into();
    for (nested, ended) in all {
        for end in [nested, ended] {
            let error = end.recv_timeout(AT_ONCE)?.expect_err("they wait for each other");
            assert_eq!(error.kind(), io::ErrorKind::Deadlock, "{error}");
        }
    }
    assert_eq!(cache.cached_images()?, []);
    Ok(())
}

fn a_source_may_read_another_image_through_the_cache(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let (nested, ended) = read_with_need(&cache, ("a", "b"), &Arc::new(Barrier::new(1)));
    assert_eq!(nested.recv_timeout(AT_ONCE)??, b"inner");
    assert_eq!(ended.recv_timeout(AT_ONCE)??, b"outer");
    assert!(cache.is_cached("a")? && cache.is_cached("b")?);
    Ok(())
}
