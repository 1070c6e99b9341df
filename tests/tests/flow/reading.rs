//! Reading cached images: bytes, hits, and the effect of a read that is dropped early.

use image_cache::Expected;
use image_cache_tests::{
    TempCache, Tested, bytes, fill, read_all, read_until_error, serve, with_both_drivers,
};
use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom};

with_both_drivers![
    a_whole_read_counts_one_hit_once,
    a_filling_reader_counts_no_hit,
    a_range_counts_at_its_last_byte,
    a_range_is_cut_to_the_image,
    a_reader_seeks_within_the_requested_range,
    an_empty_image_is_served_and_counted,
    a_replaced_image_is_read_to_its_own_end,
    an_image_cut_short_on_disk_is_an_error_and_no_hit,
    an_image_that_is_not_cached_opens_as_nothing,
];

fn a_whole_read_counts_one_hit_once(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 10_000));
    fill(&cache, "a", &image);
    fill(&cache, "other", &image);
    for (n, size) in [1, 999, 5000, 10_000, 1 << 20].into_iter().enumerate() {
        let mut reader = cache.open_for_read("a")?.ok_or("it was cached")?;
        assert_eq!((reader.size(), reader.image_size()), (10_000, 10_000));
        let (came, end) = read_until_error(&mut reader, size);
        end?;
        assert!(came == image);
        assert_eq!(reader.read(&mut [0; 10])?, 0);
        reader.rewind()?;
        assert!(read_all(&mut reader)? == image, "again");
        assert_eq!(cache.hit_count("a")?, n as u64 + 1);
    }
    assert_eq!((cache.hit_count("other")?, temp.records_in_sync()["a"].hits), (0, 5));
    Ok(())
}

fn a_filling_reader_counts_no_hit(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 10_000));
    assert!(read_all(cache.caching_reader("a", &image[..], Expected::nothing())?)? == image);
    assert_eq!(cache.hit_count("a")?, 0);
    assert!(read_all(cache.caching_reader("a", &image[..], Expected::nothing())?)? == image);
    assert_eq!(
        cache.hit_count("a")?,
        0,
        "a reader of its own source is no hit either, although the image is cached"
    );
    Ok(())
}

fn a_range_counts_at_its_last_byte(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(4, 10_000));
    fill(&cache, "a", &image);
    let mut reader = cache.open_range("a", 1000..3000)?.ok_or("it was cached")?;
    assert_eq!((reader.size(), reader.image_size()), (2000, 10_000));
    let mut part = vec![0; 1999];
    reader.read_exact(&mut part)?;
    assert!(part == image[1000..2999]);
    assert_eq!(cache.hit_count("a")?, 0);
    assert_eq!(read_all(&mut reader)?, image[2999..3000]);
    assert_eq!(cache.hit_count("a")?, 1);
    drop(reader);
    assert_eq!(cache.hit_count("a")?, 1);
    Ok(())
}

fn a_range_is_cut_to_the_image(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(5, 1000));
    fill(&cache, "a", &image);
    let backwards = std::ops::Range { start: 700, end: 300 };
    let cases = [
        (0..1000, 0..1000),
        (900..u64::MAX, 900..1000),
        (1000..2000, 0..0),
        (u64::MAX..u64::MAX, 0..0),
    ];
    for (asked, given) in
        cases.into_iter().chain([(backwards, 0..0), (5..5, 0..0), (999..1000, 999..1000)])
    {
        let reader = cache.open_range("a", asked.clone())?.ok_or("it was cached")?;
        assert_eq!(reader.size(), given.len() as u64, "{asked:?}");
        assert!(read_all(reader)? == image[given], "{asked:?}");
    }
    Ok(())
}

fn a_reader_seeks_within_the_requested_range(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(6, 10_000));
    fill(&cache, "a", &image);
    let mut reader = cache.open_range("a", 1000..9000)?.ok_or("it was cached")?;
    let mut four = [0; 4];
    for (to, position) in [
        (SeekFrom::Start(10), 10),
        (SeekFrom::Current(86), 100),
        (SeekFrom::End(-10), 7990),
        (SeekFrom::Current(-7994), 0),
    ] {
        assert_eq!(reader.seek(to)?, position, "{to:?}");
        reader.read_exact(&mut four)?;
        let start = 1000 + usize::try_from(position)?;
        assert_eq!(four, image[start..start + 4], "{to:?}");
        assert_eq!(reader.stream_position()?, position + 4);
    }
    for to in [SeekFrom::Current(-5), SeekFrom::End(-8001), SeekFrom::End(i64::MIN)] {
        assert_eq!(reader.seek(to).map_err(|e| e.kind()), Err(ErrorKind::InvalidInput), "{to:?}");
        assert_eq!(reader.stream_position()?, 4, "where it stood");
    }
    assert_eq!(reader.seek(SeekFrom::Start(9000))?, 9000);
    assert_eq!(reader.read(&mut four)?, 0, "behind the end is nothing");
    assert_eq!(cache.hit_count("a")?, 0);
    let _ = reader.seek(SeekFrom::Start(u64::MAX));
    reader.rewind()?;
    assert!(read_all(&mut reader)? == image[1000..9000]);
    assert_eq!(cache.hit_count("a")?, 1);
    Ok(())
}

fn an_empty_image_is_served_and_counted(temp: &TempCache) -> Tested {
    let cache = temp.open();
    assert_eq!(fill(&cache, "a", &[]).size, 0);
    assert_eq!(cache.image_size("a")?, Some(0));
    drop(cache.open_for_read("a")?.ok_or("it was cached")?);
    assert_eq!(cache.hit_count("a")?, 0);
    assert_eq!(serve(&cache, "a")?, b"");
    assert_eq!((cache.hit_count("a")?, temp.records_in_sync()["a"].hits), (1, 1));
    Ok(())
}

fn a_replaced_image_is_read_to_its_own_end(temp: &TempCache) -> Tested {
    let (cache, image, other) = (temp.open(), bytes(8, 100_000), bytes(9, 100_000));
    fill(&cache, "a", &image);
    let mut reader = cache.open_for_read("a")?.ok_or("it was cached")?;
    reader.read_exact(&mut [0; 10])?;
    cache.delete_cached_image("a")?;
    fill(&cache, "a", &other);
    assert!(read_all(reader)? == image[10..] && serve(&cache, "a")? == other);
    Ok(())
}

fn an_image_cut_short_on_disk_is_an_error_and_no_hit(temp: &TempCache) -> Tested {
    // `corruption` tests this for verified reads.
    let cache = temp.open_with(|config| config.verify_reads(false));
    fill(&cache, "a", &bytes(10, 100_000));
    let mut reader = cache.open_for_read("a")?.ok_or("it was cached")?;
    reader.read_exact(&mut [0; 10])?;
    fs::File::options().write(true).open(temp.path("a"))?.set_len(50_000)?;
    let (came, end) = read_until_error(&mut reader, 4096);
    assert_eq!((came.len(), end.map_err(|e| e.kind())), (49_990, Err(ErrorKind::UnexpectedEof)));
    assert_eq!(temp.records()["a"].hits, 0);
    Ok(())
}

fn an_image_that_is_not_cached_opens_as_nothing(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let _writer = cache.caching_reader("coming", &b"image"[..], Expected::nothing())?;
    temp.put("invalid/broken", b"image");
    temp.put("queue/wanted", b"");
    for id in ["coming", "broken", "wanted", "unknown"] {
        assert!(
            cache.open_for_read(id)?.is_none() && cache.open_range(id, 0..1)?.is_none(),
            "{id}"
        );
    }
    Ok(())
}
