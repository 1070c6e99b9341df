//! Sources that read images of the cache themselves: reads that would wait for each other get an error.

use crate::in_tokio::run;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{StreamExt, once};
use image_cache::tokio::{AsyncImageCache, ImageReader, ImageStream};
use image_cache::{Error, Expected, ImageCache};
use image_cache_tests::{TempCache, Tested, with_both_drivers};
use std::io::{self, Read, Write};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;
use tokio::io::AsyncReadExt;

with_both_drivers![
    a_source_that_needs_its_own_image_gets_an_error,
    sources_that_need_each_other_s_images_get_an_error,
    a_source_may_read_another_image_through_the_cache,
    a_source_of_one_reader_that_needs_its_own_image_gets_an_error,
    sources_of_one_reader_that_need_each_other_s_images_end_at_once,
    a_task_s_source_that_needs_its_own_image_gets_an_error,
    sources_of_tasks_that_need_each_other_s_images_get_an_error,
    a_task_s_source_may_read_another_image_through_the_cache,
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

/// A way to read an image from a source.
type Way = fn(&ImageCache, &'static str, ReadsFirst) -> io::Result<Vec<u8>>;

/// Starts a thread that reads an image whose source needs another image first.
fn read_with_need(
    cache: &ImageCache,
    ids: (&'static str, &'static str),
    start: &Arc<Barrier>,
) -> (WholeRead, WholeRead) {
    read_in_this_way(cache, ids, start, |cache, id, source| {
        let reader = cache.get_or_fetch(id, Expected::nothing(), move || Ok(source))?;
        whole(reader)
    })
}

fn read_in_this_way(
    cache: &ImageCache,
    (id, needs): (&'static str, &'static str),
    start: &Arc<Barrier>,
    way: Way,
) -> (WholeRead, WholeRead) {
    let ((has_read, nested), (has_ended, ended)) = (mpsc::channel(), mpsc::channel());
    let (cache, start) = (cache.clone(), Arc::clone(start));
    std::thread::spawn(move || {
        let (inner, bytes) = (cache.clone(), b"outer".to_vec());
        let source = ReadsFirst { cache: inner, needs, bytes, has_read, start };
        has_ended.send(way(&cache, id, source)).expect("the test waits");
    });
    (nested, ended)
}

/// The ways in which one reader alone reads the source.
const ALONE: [Way; 3] = [
    |cache, id, source| whole(cache.caching_reader(id, source, Expected::nothing())?),
    |cache, id, source| {
        Ok(cache.cache_image(id, source, Expected::nothing()).map(|_| Vec::new())?)
    },
    push,
];

fn whole(mut reader: impl Read) -> io::Result<Vec<u8>> {
    let mut image = Vec::new();
    reader.read_to_end(&mut image).map(|_| image)
}

/// Reads the source, and pushes its bytes.
fn push(cache: &ImageCache, id: &'static str, mut source: ReadsFirst) -> io::Result<Vec<u8>> {
    let mut writer = cache.begin(id, Expected::nothing())?;
    let mut buffer = [0; 100];
    loop {
        let reading = writer.reading_source();
        let read = source.read(&mut buffer);
        drop(reading);
        match read? {
            0 => return Ok(writer.finish().map(|_| Vec::new())?),
            count => writer.write_all(&buffer[..count])?,
        }
    }
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

fn a_source_of_one_reader_that_needs_its_own_image_gets_an_error(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for way in ALONE {
        let (nested, ended) = read_in_this_way(&cache, ("a", "a"), &Arc::new(Barrier::new(1)), way);
        for end in [nested, ended] {
            let error = end.recv_timeout(AT_ONCE)?.expect_err("it waits for itself");
            assert_eq!(error.kind(), io::ErrorKind::Deadlock, "{error}");
        }
        assert!(!cache.is_cached("a")? && !cache.is_being_cached("a")?);
    }
    Ok(())
}

/// The reader that closes the circle gets an error. Then the others get it too, or read their own source.
fn sources_of_one_reader_that_need_each_other_s_images_end_at_once(temp: &TempCache) -> Tested {
    for way in ALONE {
        let (cache, start) = (temp.open(), Arc::new(Barrier::new(3)));
        let pairs = [("a", "b"), ("b", "c"), ("c", "a")];
        let all: Vec<_> = pairs.map(|pair| read_in_this_way(&cache, pair, &start, way)).into();
        let mut circles = 0;
        for (nested, _) in &all {
            match nested.recv_timeout(AT_ONCE)? {
                Ok(image) => assert!([&b"inner"[..], b"outer"].contains(&image.as_slice())),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::Deadlock, "{error}");
                    circles += 1;
                }
            }
        }
        assert!(circles > 0, "one of them closes the circle");
        for (_, ended) in &all {
            let _ = ended.recv_timeout(AT_ONCE)?;
        }
        cache.delete_all_cached_images()?;
    }
    Ok(())
}

/// The first chunk of the source is the whole image itself, read through the cache.
async fn own_image(cache: AsyncImageCache) -> io::Result<Bytes> {
    let nobody = || io::Error::other("the image is not being fetched");
    read_all(cache.follow("a").await?.ok_or_else(nobody)?).await
}

async fn read_in_task(cache: AsyncImageCache, is_shared: bool) -> io::Result<()> {
    let (source, nothing) = (once(own_image(cache.clone())), Expected::nothing());
    let mut chunks = if is_shared {
        cache.get_or_fetch_stream("a", nothing, source).await?.into_stream()
    } else {
        cache.caching_stream("a", source, nothing).await?
    };
    chunks.next().await.transpose().map(drop)
}

fn a_task_s_source_that_needs_its_own_image_gets_an_error(temp: &TempCache) -> Tested {
    for is_shared in [true, false] {
        let (cache, (has_ended, ended)) = (AsyncImageCache::from(temp.open()), mpsc::channel());
        std::thread::spawn(move || has_ended.send(run(read_in_task(cache, is_shared))));
        let error = ended.recv_timeout(AT_ONCE)?.expect_err("it waits for itself");
        assert_eq!(error.kind(), io::ErrorKind::Deadlock, "{error}");
    }
    Ok(())
}

/// Images, of which each one but the last is needed by the source of the one before.
type Chain = &'static [&'static str];

/// Opens the first image of the chain.
async fn open_chain(cache: &AsyncImageCache, chain: Chain) -> Result<ImageReader, Error> {
    let (first, needed) = chain.split_first().expect("the chain has an image");
    let source = source_that_needs(cache.clone(), needed);
    cache.get_or_fetch_stream(first, Expected::nothing(), source).await
}

fn source_that_needs(cache: AsyncImageCache, chain: Chain) -> ImageStream {
    Box::pin(once(read_needed(cache, chain)))
}

/// The bytes of a source, which are those of the next image.
async fn read_needed(cache: AsyncImageCache, chain: Chain) -> io::Result<Bytes> {
    if chain.is_empty() {
        return Ok(Bytes::from_static(b"end"));
    }
    read_all(open_chain(&cache, chain).await?).await
}

async fn read_all(mut reader: ImageReader) -> io::Result<Bytes> {
    let mut image = Vec::new();
    reader.read_to_end(&mut image).await?;
    Ok(image.into())
}

/// Reads these chains at the same time, in another thread, so that the test ends although tasks wait for each other.
fn read_chains(
    temp: &TempCache,
    chains: &'static [Chain],
) -> Result<Vec<io::Result<Bytes>>, mpsc::RecvTimeoutError> {
    let (cache, (has_ended, ended)) = (AsyncImageCache::from(temp.open()), mpsc::channel());
    std::thread::spawn(move || {
        let opened = join_all(chains.iter().map(|chain| open_chain(&cache, chain)));
        has_ended.send(run(async {
            let opened = opened.await.into_iter().map(|reader| reader.expect("the id is sound"));
            join_all(opened.map(read_all)).await
        }))
    });
    ended.recv_timeout(AT_ONCE)
}

fn sources_of_tasks_that_need_each_other_s_images_get_an_error(temp: &TempCache) -> Tested {
    let circles: [&'static [Chain]; 3] = [
        &[&["a", "b", "a"]],
        &[&["a", "b", "c", "a"]],
        &[&["a", "b", "end"], &["b", "c", "end"], &["c", "a", "end"]],
    ];
    for chains in circles {
        for end in read_chains(temp, chains)? {
            let error = end.expect_err("they wait for each other");
            assert_eq!(error.kind(), io::ErrorKind::Deadlock, "{error}");
        }
    }
    Ok(())
}

fn a_task_s_source_may_read_another_image_through_the_cache(temp: &TempCache) -> Tested {
    for end in read_chains(temp, &[&["a", "b", "c"], &["b", "c"], &["c"]])? {
        assert_eq!(end?, &b"end"[..]);
    }
    Ok(())
}
