//! Errors carry their reasons: a program can act on them, and can tell what may succeed later.

use crate::corruption::flip;
use crate::in_tokio::run;
use image_cache::tokio::AsyncImageCache;
use image_cache::{CacheFailure, Damage, Error, Expected, FetchLoss, Outcome};
use image_cache_tests::{
    Source, TempCache, Tested, bytes, fill, read_all, read_until_error, with_both_drivers,
};
use std::error::Error as StdError;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use tokio::io::AsyncReadExt;

with_both_drivers![
    every_reader_of_a_fetch_gets_the_causes_of_the_source_s_error,
    every_task_of_a_fetch_gets_the_causes_of_the_source_s_error,
    a_source_without_bytes_is_a_request_to_read_again,
    a_reader_that_lost_its_fetch_knows_why,
    a_damaged_image_says_what_is_damaged,
    a_reader_that_failed_says_so,
    a_full_cache_is_a_failure_with_its_kind,
    an_error_at_opening_keeps_the_system_s,
];

const ECONNRESET: i32 = 104;

/// An error as HTTP clients return them: its cause is an error of the system.
#[derive(Debug, thiserror::Error)]
#[error("the request failed")]
struct RequestFailed(#[source] io::Error);

fn request_failed() -> io::Error {
    io::Error::other(RequestFailed(io::Error::from_raw_os_error(ECONNRESET)))
}

/// The I/O errors among the causes of an error.
fn io_causes(error: &io::Error) -> Vec<&io::Error> {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.filter_map(|cause| cause.downcast_ref()).collect()
}

fn assert_request_failed(error: &io::Error) {
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Other, "the request failed")
    );
    let numbers = io_causes(error).into_iter().filter_map(io::Error::raw_os_error);
    assert_eq!(numbers.collect::<Vec<_>>(), [ECONNRESET], "{error:?}");
    assert!(Error::is_retryable_io(error), "{error:?}");
}

fn every_reader_of_a_fetch_gets_the_causes_of_the_source_s_error(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 300_000));
    let source = Source::of(&image[..]).then_fails(request_failed);
    let mut first = cache.get_or_fetch("a", Expected::nothing(), || Ok(source))?;
    let mut others = [cache.follow("a")?.ok_or("it runs")?, cache.follow("a")?.ok_or("it runs")?];
    // The follower fetches the pieces that it needs, so either of them may be the one that sees the source fail.
    let (_, end) = read_until_error(&mut first, 4096);
    assert_request_failed(&end.expect_err("the source failed"));
    for follower in &mut others {
        let (came, end) = read_until_error(follower, 4096);
        assert!(image.starts_with(&came) && came.len() < image.len());
        assert_request_failed(&end.expect_err("the source failed"));
    }

    let mut tee = cache.caching_reader(
        "b",
        Source::of(&image[..]).then_fails(|| ErrorKind::HostUnreachable.into()),
        Expected::nothing(),
    )?;
    let mut follower = cache.follow("b")?.ok_or("it runs")?;
    assert!(read_until_error(&mut tee, 4096).1.is_err());
    let error = read_until_error(&mut follower, 4096).1.expect_err("the source failed");
    assert!(error.kind() == ErrorKind::HostUnreachable && Error::of_io(&error).is_none());
    Ok(())
}

fn every_task_of_a_fetch_gets_the_causes_of_the_source_s_error(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    run(async {
        let chunks = futures_util::stream::iter([
            Ok(bytes::Bytes::from(bytes(1, 300_000))),
            Err(request_failed()),
        ]);
        let mut first = cache.get_or_fetch_stream("a", Expected::nothing(), chunks).await?;
        let mut second = cache.follow("a").await?.ok_or("it runs")?;
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let (one, other) =
            tokio::join!(first.read_to_end(&mut one), second.read_to_end(&mut other));
        for end in [one, other] {
            assert_request_failed(&end.expect_err("the source failed"));
        }
        Ok(())
    })
}

/// Has no bytes at each second read, like a pipe that does not block.
struct Hesitant<R>(R, bool);

impl<R: Read> Read for Hesitant<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 { Err(ErrorKind::WouldBlock.into()) } else { self.0.read(buf) }
    }
}

/// Reads to the end, again after each request to do so; the number of these requests.
fn read_patiently(reader: &mut impl Read) -> io::Result<(Vec<u8>, usize)> {
    let (mut all, mut requests, mut buffer) = (Vec::new(), 0, vec![0; 100_000]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((all, requests)),
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) => {
                let Some(Error::SourceNotReady { source, .. }) = Error::of_io(&error) else {
                    return Err(error);
                };
                assert_eq!(
                    (error.kind(), source.kind()),
                    (ErrorKind::ResourceBusy, ErrorKind::WouldBlock)
                );
                assert!(Error::is_retryable_io(&error));
                requests += 1;
            }
        }
    }
}

fn a_source_without_bytes_is_a_request_to_read_again(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, 700_000));
    let source = || Hesitant(Source::of(bytes(2, 700_000)), false);
    let (came, requests) =
        read_patiently(&mut cache.get_or_fetch("a", Expected::nothing(), move || Ok(source()))?)?;
    assert!(came == image && requests > 1);
    let (came, requests) =
        read_patiently(&mut cache.caching_reader("b", source(), Expected::nothing())?)?;
    assert!(came == image && requests > 1);
    // A cache in front of another one: its source is a reader.
    let front = temp.open();
    let behind = cache.get_or_fetch("c", Expected::nothing(), move || Ok(source()))?;
    let (came, requests) =
        read_patiently(&mut front.get_or_fetch("d", Expected::nothing(), move || Ok(behind))?)?;
    assert!(came == image && requests > 1);
    for id in ["a", "b", "c", "d"] {
        assert!(cache.is_cached(id)?, "{id}");
    }
    Ok(())
}

fn a_reader_that_lost_its_fetch_knows_why(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 300_000));
    let mut owner = cache.caching_reader("a", &image[..], Expected::nothing())?;
    owner.read_exact(&mut [0; 1000])?;
    let mut follower = cache.follow("a")?.ok_or("it is being fetched")?;
    drop(owner);
    let error = read_until_error(&mut follower, 4096).1.expect_err("the fetch was interrupted");
    let lost = Error::of_io(&error);
    assert!(matches!(lost, Some(Error::FetchLost { loss: FetchLoss::Abandoned, .. })), "{error:?}");
    assert!(
        Error::is_retryable_io(&error) && error.to_string().contains("read it again"),
        "{error}"
    );
    let again = follower.read(&mut [0]).expect_err("it has failed");
    let kind = ErrorKind::ConnectionAborted;
    assert!(
        matches!(Error::of_io(&again), Some(Error::ReaderFailed { kind: first }) if *first == kind)
    );
    assert_eq!(again.kind(), kind);
    Ok(())
}

/// The damage that opening or reading an image reports.
fn damage(cache: &image_cache::ImageCache, id: &str) -> Tested<Damage> {
    let error = match cache.open_for_read(id) {
        Err(error) => error,
        Ok(reader) => {
            let error = read_all(reader.ok_or("it is cached")?).expect_err("it is damaged");
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            Error::of_io(&error).ok_or("an error of the cache")?.clone()
        }
    };
    assert!(error.is_retryable() && !cache.is_cached(id)?, "{error}");
    match error {
        Error::Corrupt { damage, .. } => Ok(damage),
        other => Err(other.into()),
    }
}

fn a_damaged_image_says_what_is_damaged(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(4, 3 << 20));
    for id in ["flipped", "short", "without-digests"] {
        fill(&cache, id, &image);
    }
    flip(&temp.path("flipped"), 1 << 20)?;
    assert_eq!(damage(&cache, "flipped")?, Damage::Bytes { start: 1 << 20, end: 2 << 20 });
    File::options().write(true).open(temp.path("short"))?.set_len(1000)?;
    assert_eq!(damage(&cache, "short")?, Damage::Size { expected: 3 << 20, found: 1000 });
    fill(&cache, "short", &image);
    let reader = cache.open_for_read("short")?.ok_or("it is cached")?;
    File::options().write(true).open(temp.path("short"))?.set_len(1000)?;
    let error = read_all(reader).expect_err("it is cut short");
    let cut = Damage::CutShort { expected: 3 << 20 };
    assert!(matches!(Error::of_io(&error), Some(Error::Corrupt { damage, .. }) if *damage == cut));
    drop(cache);

    for name in temp.names(".image-cache/blocks") {
        std::fs::remove_file(temp.path(".image-cache/blocks").join(name))?;
    }
    flip(&temp.path("without-digests"), 7)?;
    let found = damage(&temp.open(), "without-digests")?;
    let md5 = image_cache_tests::md5_hex(&image);
    assert!(
        matches!(&found, Damage::Checksum { expected, found } if expected.value() == md5 && found != expected),
        "{found:?}"
    );
    Ok(())
}

fn a_reader_that_failed_says_so(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let source = Source::of(bytes(5, 5000)).then_fails(|| ErrorKind::TimedOut.into());
    let mut reader = cache.caching_reader("a", source, Expected::nothing())?;
    let first = read_until_error(&mut reader, 1000).1.expect_err("the source failed");
    assert!(Error::of_io(&first).is_none() && Error::is_retryable_io(&first));
    let again = reader.read(&mut [0]).expect_err("it has failed");
    let failed = Error::of_io(&again).ok_or("an error of the cache")?;
    assert!(matches!(failed, Error::ReaderFailed { kind: ErrorKind::TimedOut }), "{failed:?}");
    assert!(!failed.is_retryable(), "this reader stays in error");
    Ok(())
}

fn a_full_cache_is_a_failure_with_its_kind(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_size(1000).hard_limit(true));
    let outcome =
        cache.cache_image("a", &bytes(6, 5000)[..], Expected::nothing().with_size(5000))?;
    let Outcome::CacheFailed(failure) = outcome else { panic!("{outcome:?}") };
    let CacheFailure::Unwritable(error) = &failure else { panic!("{failure:?}") };
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(std::ptr::eq(failure.io_error().ok_or("it has one")?, &**error));
    assert!(!failure.is_retryable(), "somebody must free space");
    assert!(failure.source().is_some_and(|source| source.is::<io::Error>()));
    Ok(())
}

fn an_error_at_opening_keeps_the_system_s(temp: &TempCache) -> Tested {
    std::fs::write(temp.dir(), "a file")?;
    let error = image_cache::ImageCache::open(temp.config().build()?).expect_err("it is a file");
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    assert_eq!(source.map(io::Error::kind), Some(ErrorKind::NotADirectory), "{error:?}");
    assert_eq!(error.io_error().and_then(io::Error::raw_os_error), Some(20));
    assert!(!error.is_retryable());
    let clone = error.clone();
    assert_eq!(clone.to_string(), error.to_string());
    Ok(())
}
