//! Callers that can fetch: a damaged image is fetched again.

use super::{MIB, flip};
use image_cache::{Error, Expected, Outcome, Trust};
use image_cache_tests::{
    TempCache, Tested, bytes, fill, read_all, read_until_error, serve, with_both_drivers,
};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;

with_both_drivers![
    a_damaged_image_is_fetched_again_at_once,
    a_caller_that_can_fetch_gets_the_whole_image,
    a_slow_reader_of_a_fetch_gets_no_byte_that_was_damaged_since,
];

fn a_damaged_image_is_fetched_again_at_once(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(8, 2 * MIB));
    fill(&cache, "a", &image);
    serve(&cache, "a")?;
    flip(&temp.path("a"), MIB as u64 + 1)?;
    let mut reader = cache.open_for_read("a")?.ok_or("it is cached")?;
    let (mut came, end) = read_until_error(&mut reader, 1000);
    assert!(end.is_err());
    // A caller that can fetch continues at the position of the reader.
    let mut source = cache.caching_reader("a", &image[..], Expected::nothing())?;
    io::copy(&mut source.by_ref().take(reader.stream_position()?), &mut io::sink())?;
    source.read_to_end(&mut came)?;
    assert!(came == image && serve(&cache, "a")? == image);
    assert_eq!((cache.hit_count("a")?, cache.trust("a")?), (1, Some(Trust::Fetched)));
    Ok(())
}

fn a_caller_that_can_fetch_gets_the_whole_image(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(25, 2 * MIB + 9));
    type Damage = fn(&Path) -> io::Result<()>;
    let damages: [(&str, Damage); 5] = [
        ("its first block", |file| flip(file, 3)),
        ("its last block, after others were read", |file| flip(file, 2 * MIB as u64 + 8)),
        ("cut short", |file| File::options().write(true).open(file)?.set_len(MIB as u64)),
        ("emptied", |file| fs::write(file, b"")),
        ("without digests", |file| {
            fs::remove_dir_all(file.with_file_name(".image-cache/blocks"))?;
            fs::create_dir(file.with_file_name(".image-cache/blocks"))?;
            flip(file, 5)
        }),
    ];
    for (words, damage) in damages {
        fill(&cache, "a", &image);
        damage(&temp.path("a"))?;
        let (again, other) = (image.clone(), temp.open());
        let fetch = move || Ok(io::Cursor::new(again));
        let came = read_all(other.get_or_fetch("a", Expected::nothing(), fetch)?)?;
        assert!(came == image, "{words}");
        assert!(temp.path("invalid/a").exists(), "{words}");
        let fetch = || -> io::Result<io::Empty> { unreachable!("it is cached again") };
        assert!(read_all(other.get_or_fetch("a", Expected::nothing(), fetch)?)? == image);
        assert_eq!(other.trust("a")?, Some(Trust::Fetched), "{words}");
        cache.delete_cached_image("a")?;
    }
    Ok(())
}

/// The fetch may have ended long before the reader continues.
fn a_slow_reader_of_a_fetch_gets_no_byte_that_was_damaged_since(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(26, 3 * MIB + 9));
    for has_source in [true, false] {
        let source = image.clone();
        let fetch = move || Ok(io::Cursor::new(source));
        let mut first = cache.get_or_fetch("a", Expected::nothing(), fetch)?;
        first.read_exact(&mut [0; 1000])?;
        let again = image.clone();
        let again = move || Ok(io::Cursor::new(again));
        let mut behind = match has_source {
            true => cache.get_or_fetch("a", Expected::nothing(), again)?,
            false => cache.follow("a")?.ok_or("it is being fetched")?,
        };
        let mut came = vec![0; 1000];
        behind.read_exact(&mut came)?;
        io::copy(&mut first, &mut io::sink())?;
        assert!(matches!(first.outcome(), Some(Outcome::Cached(_))), "{:?}", first.outcome());
        assert!(cache.is_cached("a")?);
        flip(&temp.path("a"), 2 * MIB as u64 + 5)?;
        let (rest, end) = read_until_error(&mut behind, 100_000);
        came.extend(rest);
        if has_source {
            end?;
            assert!(came == image, "the damaged bytes are fetched again");
        } else {
            assert!(came == image[..2 * MIB], "{} bytes came", came.len());
            let error = end.expect_err("it is damaged");
            assert!(matches!(Error::of_io(&error), Some(Error::Corrupt { .. })), "{error}");
        }
        assert!(temp.path("invalid/a").exists());
        drop(behind);
        cache.delete_cached_image("a")?;
    }
    temp.records_in_sync();
    Ok(())
}
