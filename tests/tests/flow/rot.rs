//! Damage on disk: found before a damaged byte is served, whoever did it and whenever.

use super::in_tokio::{collect, run};
use image_cache::tokio::AsyncImageCache;
use image_cache::{Error, Expected, ImageCache, Trust};
use image_cache_tests::{
    Place, Tested, bytes, drip, fill, listed, read_all, serve, set_times, with_both_drivers,
};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};
use tokio::io::AsyncReadExt;

with_both_drivers![
    a_flipped_bit_is_an_error_before_its_block_and_the_image_leaves_the_cache,
    a_file_cut_short_grown_or_exchanged_is_refused_at_once,
    what_was_damaged_while_no_cache_was_open_is_refused_too,
    a_range_is_held_to_the_blocks_that_it_serves,
    a_block_that_was_verified_is_not_read_again,
    a_reader_that_seeks_or_sips_gets_verified_bytes,
    a_file_cut_short_under_its_reader_is_an_error_and_no_hit,
    a_damaged_image_is_fetched_again_at_once,
    who_can_fetch_gets_the_whole_image_all_the_same,
    a_copied_directory_keeps_its_digests,
    without_digests_the_checksum_is_verified_first_and_once,
    without_digests_and_with_a_wrong_checksum_nothing_is_served,
    what_glance_cached_is_trusted_on_first_use_and_held_to_that,
    blocks_are_trusted_one_by_one,
    damaged_digests_make_no_image_unreadable,
    another_image_s_digests_are_none,
    digests_go_with_their_image,
    digests_without_an_image_are_removed,
    a_scrub_finds_what_nobody_read,
    a_scrub_makes_the_digests_that_are_missing,
    asynchronous_readers_get_verified_bytes_too,
    verification_can_be_switched_off,
    readers_of_an_image_that_is_replaced_again_and_again_are_not_alarmed,
];

const MIB: usize = 1 << 20;

/// Flips one bit of a file, and leaves its times as they were.
fn flip(file: &Path, at: u64) -> io::Result<()> {
    let modified = fs::metadata(file)?.modified()?;
    let open = File::options().read(true).write(true).open(file)?;
    let mut byte = [0];
    open.read_exact_at(&mut byte, at)?;
    open.write_all_at(&[byte[0] ^ 1 << (at % 8)], at)?;
    open.set_modified(modified)
}

/// Reads what there is of the image, and holds that it is damaged.
#[track_caller]
fn refused(cache: &ImageCache, id: &str) -> Vec<u8> {
    let (came, end) = match cache.open_for_read(id) {
        Ok(Some(mut reader)) => drip(&mut reader, 3 * MIB),
        Ok(None) => panic!("{id} is not cached"),
        Err(error) => (Vec::new(), Err(error.into())),
    };
    let error = end.expect_err("it is damaged");
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    assert!(matches!(Error::of_io(&error), Some(Error::Corrupt { .. })), "{error}");
    came
}

fn digests(place: &Place) -> usize {
    place.names(".image-cache/blocks").len()
}

/// The only digest file that there is.
fn only_digests(place: &Place) -> std::path::PathBuf {
    let names = place.names(".image-cache/blocks");
    assert_eq!(names.len(), 1, "{names:?}");
    names
        .into_iter()
        .map(|name| place.path(&format!(".image-cache/blocks/{name}")))
        .next()
        .expect("one")
}

fn a_flipped_bit_is_an_error_before_its_block_and_the_image_leaves_the_cache(
    place: &Place,
) -> Tested {
    let (cache, image) = (place.open(), bytes(1, 2 * MIB + 5000));
    for at in [0, MIB as u64 - 1, MIB as u64, 2 * MIB as u64, 2 * MIB as u64 + 4999] {
        fill(&cache, "a", &image);
        fill(&cache, "other", b"image");
        flip(&place.path("a"), at)?;
        let damaged = fs::read(place.path("a"))?;
        let whole = usize::try_from(at)? / MIB * MIB;
        assert!(refused(&cache, "a") == image[..whole], "bit in byte {at}");
        assert_eq!((cache.is_cached("a")?, cache.hit_count("a")?), (false, 0));
        assert_eq!(listed(&cache), ["other"]);
        place.books_in_step();
        assert!(fs::read(place.path("invalid/a"))? == damaged, "for whoever wants to know");
        let reason = cache.invalid_reason("a")?.ok_or("the file says why")?;
        assert!(reason.contains(&format!("bytes {whole} to ")), "{reason}");
        cache.delete_cached_image("other")?;
    }
    assert_eq!(digests(place), 0);
    Ok(())
}

/// Does something to the file of an image with these bytes.
type Damage = fn(&Path, &[u8]) -> io::Result<()>;

fn damages() -> Vec<(&'static str, Damage)> {
    fn length(file: &Path, len: u64) -> io::Result<()> {
        let modified = fs::metadata(file)?.modified()?;
        let file = File::options().write(true).open(file)?;
        file.set_len(len)?;
        file.set_modified(modified)
    }
    fn exchange(file: &Path, image: &[u8], shorter: usize) -> io::Result<()> {
        let other = file.with_file_name("another");
        fs::write(&other, bytes(99, image.len() - shorter))?;
        fs::rename(other, file)
    }
    vec![
        ("cut by a byte", |file, image| length(file, image.len() as u64 - 1)),
        ("cut to a block", |file, _| length(file, MIB as u64)),
        ("emptied", |file, _| length(file, 0)),
        ("grown by a byte", |file, image| length(file, image.len() as u64 + 1)),
        ("exchanged", |file, image| exchange(file, image, 0)),
        ("exchanged for a shorter one", |file, image| exchange(file, image, 1)),
        ("overwritten", |file, image| fs::write(file, bytes(98, image.len()))),
        ("exchanged, with its times", |file, image| {
            let modified = fs::metadata(file)?.modified()?;
            exchange(file, image, 0)?;
            set_times(file, modified, modified)
        }),
    ]
}

fn a_file_cut_short_grown_or_exchanged_is_refused_at_once(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(2, MIB + 5000));
    for (words, damage) in damages() {
        fill(&cache, "a", &image);
        // Whether its digests are in memory or not.
        if words.contains('x') {
            assert!(serve(&cache, "a")? == image);
        }
        damage(&place.path("a"), &image)?;
        assert_eq!(refused(&cache, "a").len(), 0, "{words}");
        assert!(!cache.is_cached("a")? && place.path("invalid/a").exists(), "{words}");
        assert!(cache.invalid_reason("a")?.is_some(), "{words}");
        place.books_in_step();
    }
    Ok(())
}

fn what_was_damaged_while_no_cache_was_open_is_refused_too(place: &Place) -> Tested {
    let image = bytes(3, MIB + 5000);
    for (words, damage) in damages() {
        fill(&place.open(), "a", &image);
        damage(&place.path("a"), &image)?;
        let cache = place.open();
        // The books have adopted what lies there; its bytes are another matter.
        assert_eq!(listed(&cache), ["a"], "{words}");
        assert_eq!(refused(&cache, "a").len(), 0, "{words}");
        assert!(!cache.is_cached("a")?, "{words}");
        place.books_in_step();
    }
    Ok(())
}

fn a_range_is_held_to_the_blocks_that_it_serves(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(4, 3 * MIB));
    fill(&cache, "a", &image);
    flip(&place.path("a"), 2 * MIB as u64 + 7)?;
    for range in [0..MIB, 10..20, MIB - 1..MIB + 1, MIB..2 * MIB, 2 * MIB - 1..2 * MIB] {
        let reader = cache.open_range("a", range.start as u64..range.end as u64)?;
        assert!(read_all(reader.ok_or("it is cached")?)? == image[range.clone()], "{range:?}");
    }
    assert!(cache.is_cached("a")?);
    // Another byte than the damaged one, of the same block.
    let range = 2 * MIB as u64 - 1..2 * MIB as u64 + 1;
    let mut reader = cache.open_range("a", range)?.ok_or("it is cached")?;
    let (came, end) = drip(&mut reader, 10);
    assert!(came == image[2 * MIB - 1..2 * MIB] && end.is_err());
    assert!(!cache.is_cached("a")?);
    Ok(())
}

fn a_block_that_was_verified_is_not_read_again(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(5, 2 * MIB));
    fill(&cache, "a", &image);
    let mut reader = cache.open_for_read("a")?.ok_or("it is cached")?;
    let mut start = [0; 100];
    reader.read_exact(&mut start)?;
    flip(&place.path("a"), 50_000)?;
    let mut rest = vec![0; MIB - 100];
    for piece in rest.chunks_mut(4096) {
        reader.read_exact(piece)?;
    }
    assert!([&start[..], &rest].concat() == image[..MIB]);
    reader.rewind()?;
    reader.read_exact(&mut start)?;
    assert!(start == image[..100], "the one block that is kept");
    reader.seek(SeekFrom::Start(MIB as u64))?;
    reader.read_exact(&mut start)?;
    reader.rewind()?;
    assert!(reader.read(&mut start).is_err(), "it was dropped for another one");
    Ok(())
}

fn a_reader_that_seeks_or_sips_gets_verified_bytes(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(6, 3 * MIB + 12_345));
    fill(&cache, "a", &image);
    for size in [1000, 4096, 65_536, MIB - 1, MIB, MIB + 1, 2 * MIB + 100, 5 * MIB] {
        let mut reader = cache.open_for_read("a")?.ok_or("it is cached")?;
        let (came, end) = drip(&mut reader, size);
        end?;
        assert!(came == image, "a buffer of {size}");
        for at in [2 * MIB + 5, 0, MIB - 3, MIB, 3 * MIB, 5] {
            reader.seek(SeekFrom::Start(at as u64))?;
            let mut piece = vec![0; size.min(image.len() - at)];
            reader.read_exact(&mut piece)?;
            assert!(piece == image[at..at + piece.len()], "{size} bytes at {at}");
        }
    }
    Ok(())
}

fn a_file_cut_short_under_its_reader_is_an_error_and_no_hit(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(7, 3 * MIB));
    fill(&cache, "a", &image);
    let mut reader = cache.open_for_read("a")?.ok_or("it is cached")?;
    reader.read_exact(&mut [0; 10])?;
    File::options().write(true).open(place.path("a"))?.set_len(2 * MIB as u64 + 9)?;
    let (came, end) = drip(&mut reader, 4096);
    assert!(came == image[10..2 * MIB]);
    assert_eq!(end.map_err(|e| e.kind()), Err(ErrorKind::InvalidData));
    assert_eq!((cache.is_cached("a")?, cache.hit_count("a")?), (false, 0));
    let reason = cache.invalid_reason("a")?.ok_or("the file says why")?;
    assert!(reason.contains("cut short"), "{reason}");
    place.books_in_step();
    Ok(())
}

fn a_damaged_image_is_fetched_again_at_once(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(8, 2 * MIB));
    fill(&cache, "a", &image);
    serve(&cache, "a")?;
    flip(&place.path("a"), MIB as u64 + 1)?;
    let mut reader = cache.open_for_read("a")?.ok_or("it is cached")?;
    let (mut came, end) = drip(&mut reader, 1000);
    assert!(end.is_err());
    // What a caller who can fetch does: go on where the reader stood.
    let mut source = cache.caching_reader("a", &image[..], Expected::nothing())?;
    io::copy(&mut source.by_ref().take(reader.stream_position()?), &mut io::sink())?;
    source.read_to_end(&mut came)?;
    assert!(came == image && serve(&cache, "a")? == image);
    assert_eq!((cache.hit_count("a")?, cache.trust("a")?), (1, Some(Trust::Fetched)));
    Ok(())
}

fn who_can_fetch_gets_the_whole_image_all_the_same(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(25, 2 * MIB + 9));
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
        damage(&place.path("a"))?;
        let (again, other) = (image.clone(), place.open());
        let fetch = move || Ok(io::Cursor::new(again));
        let came = read_all(other.get_or_fetch("a", Expected::nothing(), fetch)?)?;
        assert!(came == image, "{words}");
        assert!(place.path("invalid/a").exists(), "{words}");
        let fetch = || -> io::Result<io::Empty> { unreachable!("it is cached again") };
        assert!(read_all(other.get_or_fetch("a", Expected::nothing(), fetch)?)? == image);
        assert_eq!(other.trust("a")?, Some(Trust::Fetched), "{words}");
        cache.delete_cached_image("a")?;
    }
    Ok(())
}

fn a_copied_directory_keeps_its_digests(place: &Place) -> Tested {
    let image = bytes(9, MIB + 77);
    fill(&place.open(), "a", &image);
    for option in ["-a", "-r"] {
        let scratch = tempfile::tempdir()?;
        let copy = Place::at(place.driver(), scratch.path().join("copy"));
        assert!(Command::new("cp").arg(option).args([place.dir(), copy.dir()]).status()?.success());
        let cache = copy.open();
        assert_eq!(cache.trust("a")?, Some(Trust::Fetched), "cp {option}");
        assert!(serve(&cache, "a")? == image);
        flip(&copy.path("a"), MIB as u64 + 76)?;
        assert!(refused(&cache, "a") == image[..MIB], "cp {option}");
    }
    Ok(())
}

fn without_digests_the_checksum_is_verified_first_and_once(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(10, MIB + 77));
    fill(&cache, "a", &image);
    drop(cache);
    fs::remove_file(only_digests(place))?;
    let cache = place.open();
    assert_eq!(cache.trust("a")?, Some(Trust::NotYet));
    let part = cache.open_range("a", 5..10)?.ok_or("it is cached")?;
    assert!(read_all(part)? == image[5..10]);
    assert_eq!((cache.trust("a")?, digests(place)), (Some(Trust::Checksum), 1));
    drop(cache);
    let cache = place.open();
    assert_eq!(cache.trust("a")?, Some(Trust::Checksum));
    flip(&place.path("a"), MIB as u64 + 3)?;
    assert!(refused(&cache, "a") == image[..MIB], "it is held to its digests, block by block");
    Ok(())
}

fn without_digests_and_with_a_wrong_checksum_nothing_is_served(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(11, 2 * MIB));
    fill(&cache, "a", &image);
    drop(cache);
    fs::remove_file(only_digests(place))?;
    flip(&place.path("a"), 2 * MIB as u64 - 1)?;
    let cache = place.open();
    assert_eq!(refused(&cache, "a").len(), 0);
    let reason = cache.invalid_reason("a")?.ok_or("the file says why")?;
    assert!(reason.contains("MD5"), "{reason}");
    assert!(!cache.is_cached("a")?);
    Ok(())
}

fn what_glance_cached_is_trusted_on_first_use_and_held_to_that(place: &Place) -> Tested {
    let image = bytes(12, 2 * MIB + 5);
    for id in ["a", "empty"] {
        place.put(id, if id == "a" { &image } else { b"" });
    }
    let cache = place.open();
    assert_eq!((cache.trust("a")?, digests(place)), (Some(Trust::NotYet), 0));
    assert!(serve(&cache, "a")? == image && serve(&cache, "empty")?.is_empty());
    assert_eq!(
        (cache.trust("a")?, cache.trust("empty")?),
        (Some(Trust::FirstUse), Some(Trust::FirstUse))
    );
    drop(cache);
    let cache = place.open();
    assert_eq!((cache.trust("a")?, digests(place)), (Some(Trust::FirstUse), 2));
    assert!(serve(&cache, "a")? == image);
    flip(&place.path("a"), 2 * MIB as u64 + 1)?;
    assert!(refused(&cache, "a") == image[..2 * MIB]);
    Ok(())
}

fn blocks_are_trusted_one_by_one(place: &Place) -> Tested {
    let image = bytes(13, 3 * MIB);
    place.put("a", &image);
    let cache = place.open();
    let read = |range: std::ops::Range<u64>| -> io::Result<Vec<u8>> {
        read_all(cache.open_range("a", range)?.ok_or(ErrorKind::NotFound)?)
    };
    assert!(read(10..20)? == image[10..20]);
    assert_eq!((cache.trust("a")?, digests(place)), (Some(Trust::NotYet), 0));
    // Not read yet, so nobody can tell.
    flip(&place.path("a"), MIB as u64)?;
    assert!(read(MIB as u64..MIB as u64 + 1)? != image[MIB..MIB + 1]);
    // Read before.
    flip(&place.path("a"), MIB as u64 - 1)?;
    assert!(read(5..6).is_err() && !cache.is_cached("a")?);
    Ok(())
}

fn damaged_digests_make_no_image_unreadable(place: &Place) -> Tested {
    let image = bytes(14, MIB + 77);
    fill(&place.open(), "a", &image);
    let file = only_digests(place);
    let whole = fs::read(&file)?;
    let damages: [&dyn Fn() -> io::Result<()>; 5] = [
        &|| flip(&file, 60),
        &|| fs::write(&file, &whole[..whole.len() - 8]),
        &|| fs::write(&file, b""),
        &|| fs::write(&file, vec![0; whole.len()]),
        &|| fs::write(&file, [&whole[..], &whole[..]].concat()),
    ];
    for (n, damage) in damages.into_iter().enumerate() {
        damage()?;
        let cache = place.open();
        assert!(serve(&cache, "a")? == image, "{n}");
        assert_eq!(cache.trust("a")?, Some(Trust::Checksum), "{n}: they were made anew");
    }
    fs::remove_file(&file)?;
    fs::create_dir(&file)?;
    let cache = place.open();
    assert!(serve(&cache, "a")? == image, "nor does what cannot be read at all");
    flip(&place.path("a"), 5)?;
    refused(&cache, "a");
    Ok(())
}

fn another_image_s_digests_are_none(place: &Place) -> Tested {
    let cache = place.open();
    fill(&cache, "a", &bytes(15, 5000));
    let of_a = only_digests(place);
    fill(&cache, "b", &bytes(16, 5000));
    drop(cache);
    let names = place.names(".image-cache/blocks");
    let of_b = names.iter().map(|name| place.path(&format!(".image-cache/blocks/{name}")));
    let of_b = of_b.into_iter().find(|path| *path != of_a).ok_or("b has digests")?;
    let scratch = place.path(".image-cache/scratch");
    for (from, to) in [(&of_a, &scratch), (&of_b, &of_a), (&scratch, &of_b)] {
        fs::rename(from, to)?;
    }
    let cache = place.open();
    assert!(serve(&cache, "a")? == bytes(15, 5000) && serve(&cache, "b")? == bytes(16, 5000));
    assert_eq!(cache.trust("a")?, Some(Trust::Checksum), "its checksum was verified instead");
    Ok(())
}

fn digests_go_with_their_image(place: &Place) -> Tested {
    let cache = place.open_with(|config| config.max_size(1000));
    for id in ["a", "b", "c", "d"] {
        fill(&cache, id, &bytes(17, 1000));
    }
    assert_eq!(digests(place), 4);
    cache.delete_cached_image("a")?;
    assert_eq!(digests(place), 3);
    assert_eq!(cache.prune()?.images, 2);
    assert_eq!(digests(place), 1);
    cache.delete_all_cached_images()?;
    assert_eq!(digests(place), 0);
    // Nor is there anything of fetches that came to nothing.
    assert!(cache.cache_image("e", &b"image"[..], Expected::nothing().with_size(9)).is_err());
    drop(cache.caching_reader("f", &b"image"[..], Expected::nothing())?);
    assert_eq!(digests(place), 0);
    Ok(())
}

fn digests_without_an_image_are_removed(place: &Place) -> Tested {
    let folder = ".image-cache/blocks";
    let leave = || -> Tested {
        let cache = place.open();
        fill(&cache, "kept", b"image");
        fill(&cache, "gone", b"image");
        drop(cache);
        fs::remove_file(place.path("gone"))?;
        place.put(&format!("{folder}/0123456789abcdef0123456789abcdef"), b"torn");
        // What a writer leaves that was killed.
        place.put(&format!("{folder}/0123456789abcdef0123456789abcdef.77-0.new"), b"torn");
        place.put(&format!("{folder}/not ours"), b"");
        // What cannot be removed keeps nothing else.
        fs::create_dir_all(place.path(&format!("{folder}/00000000000000000000000000000000")))?;
        assert_eq!(digests(place), 6);
        Ok(())
    };
    leave()?;
    let cache = place.open();
    assert_eq!(digests(place), 3);
    cache.delete_cached_image("kept")?;
    let open = place.open();
    leave()?;
    open.clean(None)?;
    assert_eq!((digests(place), open.trust("kept")?), (3, Some(Trust::Fetched)));
    Ok(())
}

fn a_scrub_finds_what_nobody_read(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(18, 3 * MIB + 1));
    fill(&cache, "a", &image);
    fill(&cache, "b", &image);
    let mut read = 0;
    let verified = cache.verify_with("a", |bytes| read += bytes)?.ok_or("it is cached")?;
    assert_eq!(
        (verified.size, verified.trust, read),
        (image.len() as u64, Trust::Fetched, verified.size)
    );
    flip(&place.path("a"), 3 * MIB as u64)?;
    let error = cache.verify("a").expect_err("it is damaged");
    assert!(
        matches!(&error, Error::Corrupt { image_id, .. } if image_id.as_str() == "a"),
        "{error}"
    );
    assert_eq!((listed(&cache), cache.verify("a")?), (vec!["b".to_owned()], None));
    assert_eq!((cache.hit_count("b")?, cache.verify("b")?.is_some()), (0, true), "it is no hit");
    place.books_in_step();
    Ok(())
}

fn a_scrub_makes_the_digests_that_are_missing(place: &Place) -> Tested {
    let image = bytes(19, 2 * MIB);
    fill(&place.open(), "ours", &image);
    fs::remove_file(only_digests(place))?;
    place.put("theirs", &image);
    let cache = place.open();
    for (id, trust) in [("ours", Trust::Checksum), ("theirs", Trust::FirstUse)] {
        let mut read = 0;
        let verified = cache.verify_with(id, |bytes| read += bytes)?.ok_or("it is cached")?;
        assert_eq!((verified.trust, read), (trust, image.len() as u64), "{id} is read once");
    }
    assert_eq!(digests(place), 2);
    Ok(())
}

fn asynchronous_readers_get_verified_bytes_too(place: &Place) -> Tested {
    let image = bytes(24, 2 * MIB + 100);
    let damaged = |cache: &ImageCache| -> io::Result<()> {
        cache.delete_cached_image("a")?;
        fill(cache, "a", &image);
        flip(&place.path("a"), 2 * MIB as u64)
    };
    let cache = place.open();
    let tokio = AsyncImageCache::from(cache.clone());
    run(async {
        fill(&cache, "a", &image);
        let range = 5..2 * MIB as u64 + 50;
        let stream = tokio.stream_range("a", range.clone()).await?.ok_or("it is cached")?;
        let (came, end) = collect(stream).await;
        assert!(end.is_ok() && came == image[5..2 * MIB + 50]);
        damaged(&cache)?;
        let stream = tokio.stream_range("a", range).await?.ok_or("it is cached")?;
        let (came, end) = collect(stream).await;
        assert!(came == image[5..2 * MIB]);
        let error = end.expect_err("it is damaged");
        assert!(matches!(Error::of_io(&error), Some(Error::Corrupt { .. })), "{error}");
        assert!(!cache.is_cached("a")?);
        damaged(&cache)?;
        let mut reader = tokio.open_for_read("a").await?.ok_or("it is cached")?;
        let mut came = Vec::new();
        assert!(reader.read_to_end(&mut came).await.is_err() && came == image[..2 * MIB]);
        assert_eq!((cache.is_cached("a")?, cache.hit_count("a")?), (false, 0));
        Ok(())
    })
}

fn verification_can_be_switched_off(place: &Place) -> Tested {
    let image = bytes(20, MIB);
    let cache = place.open_with(|config| config.verify_reads(false));
    fill(&cache, "a", &image);
    flip(&place.path("a"), 5)?;
    assert!(serve(&cache, "a")? != image);
    drop(cache);
    // The digests were written all the same.
    refused(&place.open(), "a");
    Ok(())
}

/// The digests of a successor must not be taken for those of the image that somebody just opened.
fn readers_of_an_image_that_is_replaced_again_and_again_are_not_alarmed(place: &Place) -> Tested {
    let place = &Place::in_memory(place.driver());
    let (cache, other) = (place.open(), place.open());
    let images: Vec<Vec<u8>> = (0..2).map(|seed| bytes(21 + seed, 2000)).collect();
    fill(&cache, "a", &images[0]);
    let end = SystemTime::now() + Duration::from_secs(2);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while SystemTime::now() < end {
                        if let Some(reader) = other.open_for_read("a").expect("it is whole") {
                            let came = read_all(reader).expect("it is whole");
                            assert!(images.contains(&came));
                        }
                    }
                })
            })
            .collect();
        for image in images.iter().cycle().skip(1) {
            if SystemTime::now() >= end {
                break;
            }
            cache.delete_cached_image("a").expect("it can be deleted");
            fill(&cache, "a", image);
        }
        readers.into_iter().for_each(|reader| reader.join().expect("no reader fails"));
    });
    assert!(!place.path("invalid/a").exists());
    Ok(())
}

#[test]
fn an_image_that_glance_replaced_and_recorded_is_adopted() -> Tested {
    for (len, recorded) in [(5000, true), (4000, true), (5000, false)] {
        let place = Place::new("sqlite");
        fill(&place.open(), "a", &bytes(22, 5000));
        let theirs = bytes(23, len);
        fs::remove_file(place.path("a"))?;
        place.put("a", &theirs);
        if recorded {
            let later = SystemTime::now() + Duration::from_secs(1);
            let later = later.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
            place.database().execute(
                "UPDATE cached_images SET size = ?, last_modified = ?, checksum = NULL",
                (i64::try_from(len)?, later),
            )?;
        }
        let cache = place.open();
        if recorded {
            assert!(serve(&cache, "a")? == theirs);
            assert_eq!(cache.trust("a")?, Some(Trust::FirstUse));
        } else {
            refused(&cache, "a");
        }
    }
    Ok(())
}
