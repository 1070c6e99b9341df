//! Sources that fail during a fetch and continue at the same offset: no byte is read twice, and all bytes are verified.

use crate::in_tokio::run;
use crate::shared_in_tokio::{all_of, join};
use crate::single_flight::{assert_cached, get_for_nothing};
use bytes::Bytes;
use futures_util::stream;
use image_cache::tokio::{AsyncImageCache, resuming};
use image_cache::{Break, Error, Expected, Resuming};
use image_cache_tests::{
    Source, TempCache, Tested, bytes, md5_hex, read_all, read_until_error, with_both_drivers,
};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

with_both_drivers![
    an_interrupted_source_continues_at_the_same_offset,
    a_source_that_cannot_continue_is_an_error_for_every_reader,
    an_end_before_all_has_come_is_a_break,
    a_source_that_continues_with_another_image_is_detected,
    with_tokio_a_source_continues_for_all_its_readers,
    with_tokio_failed_attempts_are_counted_and_every_reader_gets_the_last_error,
];

const SIZE: usize = 900_000;

/// The offset at which a source was opened, and the number of failed attempts before.
type Asked = Arc<Mutex<Vec<(u64, u32)>>>;

fn note(asked: &Asked, broken: &Break) {
    asked
        .lock()
        .expect("no thread panics with the lock held")
        .push((broken.offset, broken.attempts_without_bytes));
}

fn asked(asked: &Asked) -> Vec<(u64, u32)> {
    asked.lock().expect("no thread panics with the lock held").clone()
}

/// A store that resets each connection after this number of bytes.
fn resetting(
    image: &[u8],
    after: usize,
    asks: &Asked,
) -> impl FnMut(Break) -> io::Result<Source> + Send + 'static + use<> {
    let (image, asks) = (image.to_vec(), Arc::clone(asks));
    move |broken| {
        note(&asks, &broken);
        assert_eq!(
            broken.error.map(|error| error.kind()),
            (broken.offset > 0).then_some(ErrorKind::ConnectionReset)
        );
        let rest = &image[broken.offset as usize..];
        let part = Source::of(&rest[..after.min(rest.len())]).in_chunks(70_000).interrupted();
        Ok(if rest.len() > after {
            part.then_fails(|| ErrorKind::ConnectionReset.into())
        } else {
            part
        })
    }
}

fn an_interrupted_source_continues_at_the_same_offset(temp: &TempCache) -> Tested {
    let (cache, image, asks) = (temp.open(), bytes(1, SIZE), Asked::default());
    let expected = Expected::nothing().with_md5(&md5_hex(&image))?.with_size(SIZE as u64);
    let source = Resuming::new(None, resetting(&image, 400_000, &asks));
    let mut first = cache.get_or_fetch("a", expected.clone(), || Ok(source))?;
    let second = get_for_nothing(&cache);
    assert!(read_all(&mut first)? == image && read_all(second)? == image);
    let offsets = [(0, 0), (400_000, 0), (800_000, 0)];
    assert_eq!(asked(&asks), offsets);
    assert_cached(temp, &cache, &image, 1)?;
    assert!(temp.names("invalid").is_empty());

    cache.delete_cached_image("a")?;
    let source = Resuming::new(None, resetting(&image, 400_000, &asks));
    assert!(read_all(cache.caching_reader("a", source, expected)?)? == image);
    assert_cached(temp, &cache, &image, 0)
}

fn a_source_that_cannot_continue_is_an_error_for_every_reader(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, SIZE));
    let half = image[..500_000].to_vec();
    let source = Resuming::new(None, move |broken| match broken.offset {
        0 => Ok(Source::of(&half[..]).then_fails(|| io::Error::other("the store has burnt down"))),
        _ => Err(broken.into_error()),
    });
    let mut first = cache.get_or_fetch("a", Expected::nothing(), || Ok(source))?;
    let mut second = get_for_nothing(&cache);
    for reader in [&mut first, &mut second] {
        let (came, end) = read_until_error(reader, 10_000);
        assert!(came.len() < 500_000 && image.starts_with(&came));
        assert_eq!(end.expect_err("it failed").to_string(), "the store has burnt down");
    }
    assert!(!cache.is_cached("a")? && temp.names("invalid").contains("a"));
    Ok(())
}

fn an_end_before_all_has_come_is_a_break(temp: &TempCache) -> Tested {
    let (cache, image, asks) = (temp.open(), bytes(3, SIZE), Asked::default());
    let (store, asking) = (image.clone(), Arc::clone(&asks));
    let source = Resuming::new(Some(SIZE as u64), move |broken: Break| {
        note(&asking, &broken);
        match broken.error.as_ref().map(|error| (error.kind(), error.to_string())) {
            None => assert_eq!(broken.offset, 0),
            Some((ErrorKind::UnexpectedEof, words)) => assert!(words.contains("of 900000 bytes")),
            Some(other) => panic!("{other:?}"),
        }
        let rest = &store[broken.offset as usize..];
        Ok(io::Cursor::new(rest[..rest.len().min(500_000)].to_vec()))
    });
    cache.cache_image("a", source, Expected::nothing())?;
    assert_eq!(asked(&asks), [(0, 0), (500_000, 0)]);
    assert_cached(temp, &cache, &image, 0)
}

fn a_source_that_continues_with_another_image_is_detected(temp: &TempCache) -> Tested {
    let (cache, image, other) = (temp.open(), bytes(4, SIZE), bytes(5, SIZE));
    let expected = Expected::nothing().with_md5(&md5_hex(&image))?;
    let source = Resuming::new(None, move |broken: Break| match broken.offset {
        0 => Ok(Source::of(&image[..500_000]).then_fails(|| ErrorKind::TimedOut.into())),
        offset => Ok(Source::of(&other[offset as usize..])),
    });
    let refused = cache.cache_image("a", source, expected);
    assert!(matches!(refused, Err(Error::ChecksumMismatch { .. })), "{refused:?}");
    assert!(!cache.is_cached("a")?);
    Ok(())
}

/// Chunks of the image from `offset` on, and then an error unless the image is complete.
fn chunks(
    image: &[u8],
    offset: u64,
    at_most: usize,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static + use<> {
    let rest = &image[offset as usize..];
    let part = &rest[..at_most.min(rest.len())];
    let mut chunks: Vec<_> =
        part.chunks(60_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    if part.len() < rest.len() {
        chunks.push(Err(ErrorKind::ConnectionReset.into()));
    }
    stream::iter(chunks)
}

fn with_tokio_a_source_continues_for_all_its_readers(temp: &TempCache) -> Tested {
    let (cache, image, asks) = (temp.open(), bytes(6, SIZE), Asked::default());
    let shared = AsyncImageCache::from(cache.clone());
    let (store, asking) = (image.clone(), Arc::clone(&asks));
    let source = resuming(Some(SIZE as u64), move |broken| {
        note(&asking, &broken);
        std::future::ready(Ok(chunks(&store, broken.offset, 250_000)))
    });
    run(async {
        let expected = Expected::nothing().with_md5(&md5_hex(&image))?;
        let first = shared.get_or_fetch_stream("a", expected, source).await?;
        let second = join(&shared).await?;
        let (first, second) = tokio::join!(all_of(first), all_of(second));
        for (came, end) in [first, second] {
            end?;
            assert!(came == image);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert_eq!(asked(&asks), [(0, 0), (250_000, 0), (500_000, 0), (750_000, 0)]);
    assert_cached(temp, &cache, &image, 1)
}

fn with_tokio_failed_attempts_are_counted_and_every_reader_gets_the_last_error(
    temp: &TempCache,
) -> Tested {
    let (image, asks) = (bytes(7, SIZE), Asked::default());
    let shared = AsyncImageCache::from(temp.open());
    let (store, asking) = (image.clone(), Arc::clone(&asks));
    let source = resuming(None, move |broken| {
        note(&asking, &broken);
        let goes_on = broken.attempts_without_bytes < 2;
        let part = if broken.offset == 0 { 300_000 } else { 0 };
        let answer = if goes_on {
            Ok(chunks(&store, broken.offset, part))
        } else {
            Err(broken.into_error())
        };
        std::future::ready(answer)
    });
    run(async {
        let first = shared.get_or_fetch_stream("a", Expected::nothing(), source).await?;
        let second = join(&shared).await?;
        let (first, second) = tokio::join!(all_of(first), all_of(second));
        for (came, end) in [first, second] {
            assert!(came.len() < 300_000 && image.starts_with(&came));
            assert_eq!(end.expect_err("it failed").kind(), ErrorKind::ConnectionReset);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert_eq!(asked(&asks), [(0, 0), (300_000, 0), (300_000, 1), (300_000, 2)]);
    Ok(())
}
