//! The file in `invalid/` after a failed fetch: it has all received bytes.

use crate::in_tokio::run;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use image_cache::tokio::{AsyncImageCache, ImageStream};
use image_cache::{Expected, ImageCache};
use image_cache_tests::{Source, TempCache, Tested, bytes, read_all, until, with_both_drivers};
use std::fs;
use std::io::{self, ErrorKind, Read};

with_both_drivers![
    a_source_that_fails_leaves_all_that_it_gave,
    a_reader_that_stops_early_leaves_all_that_came,
    an_image_of_another_length_leaves_all_that_came,
    a_stream_that_fails_leaves_all_that_it_gave,
    a_stream_that_is_dropped_leaves_all_that_came,
];

/// The size of an internal block: fewer bytes stay in memory.
const BLOCK: usize = 256 * 1024;

const LENGTHS: [usize; 6] = [1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 77];

fn reset() -> io::Error {
    ErrorKind::ConnectionReset.into()
}

/// The content of the file with this name in `invalid/`, which is removed.
fn invalid(temp: &TempCache, id: &str) -> io::Result<Vec<u8>> {
    let path = temp.path("invalid").join(id);
    let found = fs::read(&path)?;
    fs::remove_file(path)?;
    assert!(temp.names("incomplete").is_empty() && temp.images().is_empty());
    Ok(found)
}

fn a_source_that_fails_leaves_all_that_it_gave(temp: &TempCache) -> Tested {
    let cache = temp.open();
    type Way = fn(&ImageCache, Source) -> bool;
    let ways: [(&str, Way); 3] = [
        ("caching_reader", |cache, source| {
            let reader = cache.caching_reader("a", source, Expected::nothing());
            read_all(reader.expect("it starts")).is_err()
        }),
        ("cache_image", |cache, source| {
            cache.cache_image("a", source, Expected::nothing()).is_err()
        }),
        ("get_or_fetch", |cache, source| {
            let reader = cache.get_or_fetch("a", Expected::nothing(), || Ok(source));
            read_all(reader.expect("it starts")).is_err()
        }),
    ];
    for length in LENGTHS {
        let image = bytes(1, length);
        for (way, fetch) in ways {
            for chunk in [1000, usize::MAX] {
                let source = Source::of(&image[..]).in_chunks(chunk).then_fails(reset);
                assert!(fetch(&cache, source), "{way} reports the error");
                assert!(invalid(temp, "a")? == image, "{way}, {length} bytes, {chunk} a chunk");
            }
        }
    }
    Ok(())
}

fn a_reader_that_stops_early_leaves_all_that_came(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, 4 * BLOCK));
    for length in LENGTHS {
        let mut buffer = vec![0; length];
        let mut reader = cache.caching_reader("a", &image[..], Expected::nothing())?;
        reader.read_exact(&mut buffer)?;
        drop(reader);
        // One byte is withheld until all bytes are verified.
        assert!(invalid(temp, "a")? == image[..length + 1], "caching_reader, {length} bytes");

        let source = Source::of(&image[..]);
        let mut reader = cache.get_or_fetch("a", Expected::nothing(), || Ok(source))?;
        reader.read_exact(&mut buffer)?;
        drop(reader);
        let found = invalid(temp, "a")?;
        assert!(found.len() > length && image.starts_with(&found), "get_or_fetch, {length} bytes");
    }
    Ok(())
}

fn an_image_of_another_length_leaves_all_that_came(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for length in LENGTHS {
        let image = bytes(3, length);
        for promised in [length as u64 - 1, length as u64 + 1] {
            let expected = Expected::nothing().with_size(promised);
            assert!(read_all(cache.caching_reader("a", &image[..], expected)?).is_err());
            let case = format!("{length} bytes, {promised} promised");
            assert!(invalid(temp, "a")? == image, "{case}");
        }
    }
    Ok(())
}

/// A stream of these bytes that then fails, or returns nothing more.
fn chunks(image: &[u8], fails: bool) -> ImageStream {
    let chunks = image.chunks(10_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
    let chunks = stream::iter(chunks.collect::<Vec<io::Result<Bytes>>>());
    if fails {
        Box::pin(chunks.chain(stream::iter([Err(reset())])))
    } else {
        Box::pin(chunks.chain(stream::pending()))
    }
}

/// The image that is being fetched, by only this reader or by several.
async fn streamed(cache: &AsyncImageCache, source: ImageStream, shared: bool) -> ImageStream {
    let nothing = Expected::nothing();
    if !shared {
        return cache.caching_stream("a", source, nothing).await.expect("it starts");
    }
    Box::pin(
        cache.get_or_fetch_stream("a", nothing, source).await.expect("it starts").into_stream(),
    )
}

fn a_stream_that_fails_leaves_all_that_it_gave(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    for length in LENGTHS {
        let image = bytes(4, length);
        for shared in [false, true] {
            let ended = run(async {
                let source = chunks(&image, true);
                let stream = streamed(&cache, source, shared).await;
                stream.collect::<Vec<_>>().await.pop()
            });
            assert!(ended.is_some_and(|last| last.is_err()), "the reader gets the error");
            let is_there = || temp.names("invalid").contains("a");
            assert!(until(is_there), "shared: {shared}, {length} bytes");
            assert!(invalid(temp, "a")? == image, "shared: {shared}, {length} bytes");
        }
    }
    Ok(())
}

fn a_stream_that_is_dropped_leaves_all_that_came(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    for length in [20_000, BLOCK + 1, 3 * BLOCK + 77] {
        let image = bytes(5, length);
        for shared in [false, true] {
            run(async {
                let source = chunks(&image, false);
                let stream = streamed(&cache, source, shared).await;
                let (mut stream, mut came) = (stream, 0);
                // The last chunk or the last byte is withheld.
                while came + 10_000 < length {
                    came += stream.next().await.expect("there is more").expect("it is sound").len();
                }
            });
            assert!(until(|| temp.names("invalid").contains("a")), "{shared} {length}");
            let found = invalid(temp, "a")?;
            // The last chunk may not have been requested.
            assert!(
                found.len() + 10_000 >= length,
                "shared: {shared}, {} of {length}",
                found.len()
            );
            assert!(image.starts_with(&found), "shared: {shared}, {length} bytes");
        }
    }
    Ok(())
}
