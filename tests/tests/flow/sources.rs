//! Sources that fail, end early, panic or return wrong data: nothing is cached, and the reader gets the exact error.

use image_cache::{Error, Expected, ImageCache, Outcome};
use image_cache_tests::{
    Source, TempCache, Tested, bytes, fill, md5_hex, read_until_error, serve, with_both_drivers,
};
use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

with_both_drivers![
    an_error_reaches_the_reader_unchanged_and_stays,
    an_error_where_nothing_is_cached_reaches_the_reader_too,
    an_error_while_draining_is_the_source_s_own,
    a_source_that_fails_at_once_leaves_nothing_cached,
    an_interrupted_source_has_not_failed,
    a_reader_dropped_early_leaves_nothing_cached,
    a_reader_that_has_every_byte_may_be_dropped_before_it_sees_the_end,
    a_source_given_back_leaves_nothing_cached,
    a_panicking_source_leaves_nothing_cached,
    a_source_that_claims_more_than_there_is_room_for_is_an_error,
];

/// An error of the source, which must reach the reader unchanged.
#[derive(Debug, PartialEq, Eq)]
struct Boom(u32);

impl std::fmt::Display for Boom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "boom {}", self.0)
    }
}

impl std::error::Error for Boom {}

const KINDS: [ErrorKind; 7] = [
    ErrorKind::ConnectionReset,
    ErrorKind::Other,
    ErrorKind::InvalidData,
    ErrorKind::UnexpectedEof,
    ErrorKind::TimedOut,
    ErrorKind::NotFound,
    ErrorKind::StorageFull,
];

fn boom(kind: ErrorKind) -> impl FnMut() -> io::Error + Send {
    let mut times = 0;
    move || {
        times += 1;
        io::Error::new(kind, Boom(times))
    }
}

fn is_first_boom(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref()) == Some(&Boom(1))
}

/// Asserts that nothing is cached or recorded, that the file is in `invalid/`, and that the next fetch succeeds.
fn assert_rolled_back(temp: &TempCache, cache: &ImageCache, id: &str) {
    assert!(temp.images().is_empty() && temp.records_in_sync().is_empty(), "{id}");
    assert_eq!(temp.names("incomplete"), BTreeSet::new(), "{id}");
    assert!(temp.names("invalid").contains(id), "{id}");
    let image = bytes(99, 1000);
    fill(cache, id, &image);
    assert!(serve(cache, id).is_ok_and(|served| served == image), "{id}");
    cache.delete_cached_image(id).expect("it can be deleted");
}

fn an_error_reaches_the_reader_unchanged_and_stays(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 300_000));
    for kind in KINDS {
        for (read, expected) in
            [(1000, Expected::nothing()), (1 << 20, Expected::nothing().with_size(300_000))]
        {
            cache.queue_image("a")?;
            let source = Source::of(&image[..]).then_fails(boom(kind));
            let mut reader = cache.caching_reader("a", source, expected)?;
            let (came, end) = read_until_error(&mut reader, read);
            let error = end.expect_err("the source failed");
            assert!(error.kind() == kind && is_first_boom(&error), "{kind}: {error:?}");
            assert!(
                came.len() < image.len() && image.starts_with(&came),
                "{kind}: a stream that looks whole"
            );
            for _ in 0..3 {
                let (came, end) = read_until_error(&mut reader, read);
                assert!(came.is_empty() && end.is_err_and(|again| again.kind() == kind), "{kind}");
            }
            assert_eq!(reader.outcome(), None);
            assert!(cache.is_queued("a")?);
            assert_rolled_back(temp, &cache, "a");
        }
    }
    Ok(())
}

fn an_error_where_nothing_is_cached_reaches_the_reader_too(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 1000));
    fill(&cache, "a", &image);
    for expected in [Expected::nothing(), Expected::nothing().with_md5(&md5_hex(&image))?] {
        let source = Source::of(&image[..]).then_fails(boom(ErrorKind::ConnectionReset));
        let mut reader = cache.caching_reader("a", source, expected)?;
        let (came, end) = read_until_error(&mut reader, 100);
        assert!(end.is_err_and(|error| is_first_boom(&error)) && came.len() < 1000);
        assert!(read_until_error(&mut reader, 100).1.is_err());
    }
    assert!(serve(&cache, "a")? == image);
    Ok(())
}

fn an_error_while_draining_is_the_source_s_own(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let source = Source::of(bytes(1, 300_000)).then_fails(boom(ErrorKind::ConnectionReset));
    let error = cache.cache_image("a", source, Expected::nothing()).expect_err("it is refused");
    assert!(error.to_string().contains("image a") && error.to_string().contains("boom"), "{error}");
    let Error::SourceFailed { source, .. } = error else { panic!("{error:?}") };
    assert!(source.kind() == ErrorKind::ConnectionReset && is_first_boom(&source));
    assert_rolled_back(temp, &cache, "a");
    Ok(())
}

fn a_source_that_fails_at_once_leaves_nothing_cached(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let source = || Source::of("").then_fails(boom(ErrorKind::NotFound));
    let (came, end) =
        read_until_error(&mut cache.caching_reader("a", source(), Expected::nothing())?, 10);
    assert!(came.is_empty() && end.is_err_and(|error| is_first_boom(&error)));
    assert!(cache.cache_image("a", source(), Expected::nothing()).is_err());
    assert_rolled_back(temp, &cache, "a");
    Ok(())
}

fn an_interrupted_source_has_not_failed(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, 10_000));
    let expected = || Expected::nothing().with_size(10_000).with_md5(&md5_hex(&image));
    let source = || Source::of(&image[..]).in_chunks(777).interrupted();
    let mut reader = cache.caching_reader("read", source(), expected()?)?;
    let mut came = Vec::new();
    reader.read_to_end(&mut came)?;
    assert!(came == image && matches!(reader.outcome(), Some(Outcome::Cached(_))));
    assert!(matches!(cache.cache_image("drained", source(), expected()?)?, Outcome::Cached(_)));
    assert!(serve(&cache, "read")? == image && serve(&cache, "drained")? == image);
    Ok(())
}

fn a_reader_dropped_early_leaves_nothing_cached(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 600_000));
    for taken in [0, 1, 300_000, 599_999] {
        cache.queue_image("a")?;
        let mut reader = cache.caching_reader("a", &image[..], Expected::nothing())?;
        reader.read_exact(&mut vec![0; taken])?;
        drop(reader);
        assert!(cache.is_queued("a")? && !cache.is_being_cached("a")?, "{taken} bytes taken");
        assert_rolled_back(temp, &cache, "a");
    }
    Ok(())
}

fn a_reader_that_has_every_byte_may_be_dropped_before_it_sees_the_end(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(4, 600_000));
    let mut reader = cache.caching_reader("a", &image[..], Expected::nothing())?;
    let mut came = vec![0; image.len()];
    reader.read_exact(&mut came)?;
    drop(reader);
    assert!(came == image && serve(&cache, "a")? == image);
    Ok(())
}

fn a_source_given_back_leaves_nothing_cached(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(5, 1000));
    let mut reader = cache.caching_reader("a", &image[..], Expected::nothing())?;
    reader.read_exact(&mut [0; 10])?;
    let _source = reader.into_source();
    assert_rolled_back(temp, &cache, "a");
    Ok(())
}

fn a_panicking_source_leaves_nothing_cached(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let source = || Source::of(bytes(6, 300_000)).then_panics();
    let mut reader = cache.caching_reader("a", source(), Expected::nothing())?;
    assert!(catch_unwind(AssertUnwindSafe(|| read_until_error(&mut reader, 4096))).is_err());
    drop(reader);
    assert_rolled_back(temp, &cache, "a");
    let drain = || cache.cache_image("b", source(), Expected::nothing());
    assert!(catch_unwind(AssertUnwindSafe(drain)).is_err());
    assert_rolled_back(temp, &cache, "b");
    Ok(())
}

fn a_source_that_claims_more_than_there_is_room_for_is_an_error(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let source = || Source::of(bytes(7, 5000)).then_lies();
    let (came, end) =
        read_until_error(&mut cache.caching_reader("a", source(), Expected::nothing())?, 1000);
    assert!(came.len() < 5000 && end.is_err());
    let error = cache.cache_image("a", source(), Expected::nothing()).expect_err("it is refused");
    assert!(matches!(error, Error::SourceFailed { .. }), "{error}");
    assert_rolled_back(temp, &cache, "a");
    Ok(())
}
