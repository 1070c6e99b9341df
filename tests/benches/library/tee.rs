//! A cold image of 1 GiB on its way through the cache to its reader, compared with its bounds: MD5 and writing.

use image_cache::{Expected, ImageCache};
use image_cache_tests::Tested;
use image_cache_tests::measure::files::{Large, config, open, sync_all};
use image_cache_tests::measure::{
    Asked, Bench, GLANCE_DRIVERS, Glance, Row, Score, Side, in_turns, openssl_md5,
};
use md5::{Digest, Md5};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Barrier;
use std::time::Instant;

pub(super) const GIB: usize = 1 << 30;

/// The peers that only compute an MD5.
const MD5S: [&str; 3] =
    ["MD5 alone, crate md-5", "MD5 alone, crate fast-md5", "openssl speed -evp md5"];

const PLAIN: &str = "plain writing";

pub fn chunks_of_4_kib(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, 4 << 10, "4 KiB")
}

pub fn chunks_of_64_kib(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, 64 << 10, "64 KiB")
}

pub fn chunks_of_1_mib(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, 1 << 20, "1 MiB")
}

fn rows(bench: &Bench, chunk: usize, label: &str) -> Tested<Vec<Row>> {
    let one = scores(bench, chunk, 1)?;
    let streams = std::thread::available_parallelism()?.get();
    let many = scores(bench, chunk, streams)?;
    let (alone, together) = (lower_of_md5_and_plain(&one), median(&many, PLAIN, 0));
    let ours = |scores: &[Score]| scores[0].figure(0).map_or(0.0, |figure| figure.median);
    let twice = (streams as f64 * ours(&one)).min(together);
    let chunks = |streams: usize| match streams {
        1 => format!("1 GiB in chunks of {label}, one stream"),
        _ => format!("1 GiB in chunks of {label}, {streams} streams at once"),
    };
    let unflushed = "up to the last byte, which waits for the sync";
    let flushed = "to the end: synced, recorded, published";
    let mut rows = Vec::new();
    for (scores, streams) in [(&one, 1), (&many, streams)] {
        let what = chunks(streams);
        rows.push(Row::new("tee", &format!("{what}, {unflushed}"), "MB/s", scores, 0));
        let row = Row::new("tee", &format!("{what}, {flushed}"), "MB/s", scores, 1).without(&MD5S);
        rows.push(row.note("Glance syncs nothing"));
    }
    let share = "share of the lower of the fastest MD5 and plain writing";
    rows[0] = rows[0].clone().asking(Asked::AtLeast(0.95), ours(&one) / alone, share);
    let share = "share of the lower of the same multiple of one stream and of plain writing";
    rows[2] = rows[2].clone().asking(Asked::AtLeast(0.9), ours(&many) / twice, share);
    Ok(rows)
}

/// The upper bound of the speed.
fn lower_of_md5_and_plain(scores: &[Score]) -> f64 {
    let md5 = MD5S.iter().map(|name| median(scores, name, 0)).fold(0.0, f64::max);
    md5.min(median(scores, PLAIN, 0))
}

fn median(scores: &[Score], name: &str, nth: usize) -> f64 {
    let score = scores.iter().find(|score| score.name == name);
    score.and_then(|score| score.figure(nth)).map_or(f64::NAN, |figure| figure.median)
}

/// The speed of each side in MB/s for all streams together: without the sync and with it.
fn scores(bench: &Bench, chunk: usize, streams: usize) -> Tested<Vec<Score>> {
    let image = &Large::of(bench.size(GIB));
    let scratch = bench.scratch()?;
    let directory = &scratch.path().join("ours");
    let cache = &open(config(directory, "sqlite"))?;
    let plain = &scratch.path().join("plain");
    fs::create_dir_all(plain)?;
    let mut sides = vec![
        Side::new("ours", move || {
            cache.delete_all_cached_images()?;
            sync_all(directory)?;
            tee(cache, image, (chunk, streams), &Expected::nothing())
        }),
        Side::new(MD5S[0], move || hash(image, chunk, streams, md_5)),
        Side::new(MD5S[1], move || hash(image, chunk, streams, fast_md5)),
        Side::new(MD5S[2], move || Ok(vec![openssl_md5(chunk, streams)? / 1e6])),
        Side::new(PLAIN, move || {
            sync_all(plain)?;
            write(plain, image, chunk, streams)
        }),
    ];
    if streams == 1 {
        sides.push(copying(plain, image)?);
    }
    for driver in GLANCE_DRIVERS {
        sides.push(glance(&scratch.path().join(driver), driver, image.size(), chunk, streams));
    }
    in_turns(bench.rounds(3), sides)
}

pub(super) fn mb_per_second(image: &Large, streams: usize, started: Instant) -> f64 {
    (image.size() * streams) as f64 / started.elapsed().as_secs_f64() / 1e6
}

/// All streams reach their last byte before the first of them starts its sync.
pub(super) fn tee(
    cache: &ImageCache,
    image: &Large,
    (chunk, streams): (usize, usize),
    expected: &Expected,
) -> Tested<Vec<f64>> {
    let (started, here) = (Instant::now(), Barrier::new(streams + 1));
    let stream = |number: usize| -> Tested {
        let reader =
            cache.caching_reader(&format!("large-{number}"), image.source(chunk), expected.clone());
        let (mut buffer, mut delivered) = (vec![0; chunk], 0);
        let filled = reader.map_err(Into::into).and_then(|mut reader| -> Tested<_> {
            while delivered < image.size() - 1 {
                delivered += reader.read(&mut buffer)?;
            }
            Ok(reader)
        });
        here.wait();
        let mut reader = filled?;
        while reader.read(&mut buffer)? > 0 {}
        Ok(())
    };
    std::thread::scope(|scope| {
        let stream = &stream;
        let streams_of: Vec<_> = (0..streams)
            .map(|number| scope.spawn(move || stream(number).map_err(|error| error.to_string())))
            .collect();
        here.wait();
        let unflushed = mb_per_second(image, streams, started);
        for stream in streams_of {
            stream.join().map_err(|_| "a stream panicked")??;
        }
        let flushed = mb_per_second(image, streams, started);
        match cache.cache_size()?.images {
            all if all == streams as u64 => Ok(vec![unflushed, flushed]),
            other => Err(format!("{other} images were cached of {streams}").into()),
        }
    })
}

/// Only an MD5, with the same source and the same buffer.
fn hash(
    image: &Large,
    chunk: usize,
    streams: usize,
    digest: fn(&Large, usize) -> io::Result<()>,
) -> Tested<Vec<f64>> {
    let started = Instant::now();
    in_threads(streams, |_| digest(image, chunk))?;
    Ok(vec![mb_per_second(image, streams, started)])
}

fn md_5(image: &Large, chunk: usize) -> io::Result<()> {
    let mut md5 = Md5::new();
    hash_each(image, chunk, |bytes| md5.update(bytes))?;
    black_box(md5.finalize());
    Ok(())
}

fn fast_md5(image: &Large, chunk: usize) -> io::Result<()> {
    let mut md5 = ::fast_md5::Md5::new();
    hash_each(image, chunk, |bytes| md5.update(bytes))?;
    black_box(md5.finalize());
    Ok(())
}

fn hash_each(image: &Large, chunk: usize, mut update: impl FnMut(&[u8])) -> io::Result<()> {
    each_chunk(image, chunk, |bytes| {
        update(bytes);
        Ok(())
    })
}

pub(super) fn each_chunk(
    image: &Large,
    chunk: usize,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let (mut source, mut buffer) = (image.source(chunk), vec![0; chunk]);
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(()),
            count => take(&buffer[..count])?,
        }
    }
}

/// Files written from the same source, without and with a sync.
fn write(directory: &Path, image: &Large, chunk: usize, streams: usize) -> Tested<Vec<f64>> {
    let path = |number: usize| directory.join(format!("large-{number}"));
    let started = Instant::now();
    let written = in_threads(streams, |number| {
        let mut file = File::create(path(number))?;
        each_chunk(image, chunk, |bytes| file.write_all(bytes))?;
        Ok(file)
    })?;
    let unflushed = mb_per_second(image, streams, started);
    in_threads(streams, |number| written[number].sync_all())?;
    let flushed = mb_per_second(image, streams, started);
    for number in 0..streams {
        fs::remove_file(path(number))?;
    }
    Ok(vec![unflushed, flushed])
}

fn in_threads<T: Send>(
    count: usize,
    work: impl Fn(usize) -> io::Result<T> + Sync,
) -> Tested<Vec<T>> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || work(number))).collect();
        threads
            .into_iter()
            .map(|thread| Ok(thread.join().map_err(|_| "a thread panicked")??))
            .collect()
    })
}

/// A file in the page cache, copied as `cp` does, without and with a sync.
fn copying<'a>(directory: &'a Path, image: &'a Large) -> Tested<Side<'a>> {
    let (from, to) = (directory.join("original"), directory.join("copy"));
    io::copy(&mut image.source(1 << 20), &mut File::create(&from)?)?;
    Ok(Side::new("plain copy of a file", move || {
        sync_all(directory)?;
        let started = Instant::now();
        fs::copy(&from, &to)?;
        let unflushed = mb_per_second(image, 1, started);
        File::open(&to)?.sync_all()?;
        let flushed = mb_per_second(image, 1, started);
        fs::remove_file(&to)?;
        Ok(vec![unflushed, flushed])
    }))
}

/// Glance's tee with an expected checksum: a process for each stream; all processes use one directory.
fn glance<'a>(
    directory: &Path,
    driver: &str,
    size: usize,
    chunk: usize,
    streams: usize,
) -> Side<'a> {
    let start = |number: usize| Glance::start(&directory.join(number.to_string()), driver);
    let found: Tested<Vec<Glance>> = (0..streams).map(start).collect();
    let base = directory.to_owned();
    let name = format!("Glance 33, {driver}");
    Side::of(name, found, move |processes| {
        sync_all(&base)?;
        processes.iter_mut().try_for_each(|glance| glance.tell(&format!("tee {size} {chunk}")))?;
        let told: Vec<_> = processes.iter_mut().map(Glance::answer).collect::<Tested<_>>()?;
        // They started at the same time; the slowest one counts.
        let seconds = told.iter().map(|told| told.seconds).fold(0.0, f64::max);
        Ok(vec![(size * streams) as f64 / seconds / 1e6])
    })
}

/// Readers that share one source, each in its own thread; only the bytes of the image count.
pub fn shared(bench: &Bench) -> Tested<Vec<Row>> {
    let (scratch, image) = (bench.scratch()?, Large::of(bench.size(GIB)));
    let image: &'static Large = Box::leak(Box::new(image));
    let (directory, cache) = (scratch.path(), &open(config(scratch.path(), "sqlite"))?);
    let side = |readers: usize| {
        Side::new(format!("ours, {readers} readers"), move || {
            cache.delete_all_cached_images()?;
            sync_all(directory)?;
            fetch(cache, image, readers)
        })
    };
    let scores = in_turns(bench.rounds(3), [1, 2, 8].map(side).into())?;
    let what = "1 GiB through get_or_fetch in chunks of 64 KiB, one reader, up to the last byte";
    Ok(vec![Row::new("tee", what, "MB/s", &scores, 0)])
}

fn fetch(cache: &ImageCache, image: &'static Large, readers: usize) -> Tested<Vec<f64>> {
    let open = || -> Tested<_> {
        let source = || Ok(image.source(64 << 10));
        Ok(cache.get_or_fetch("large", Expected::nothing(), source)?)
    };
    let started = Instant::now();
    let readers: Vec<_> = (0..readers).map(|_| open()).collect::<Tested<_>>()?;
    let (here, count) = (Barrier::new(readers.len() + 1), image.size() - 1);
    std::thread::scope(|scope| {
        let here = &here;
        let threads: Vec<_> = readers
            .into_iter()
            .map(|mut reader| {
                scope.spawn(move || -> io::Result<()> {
                    let (mut buffer, mut delivered) = (vec![0; 64 << 10], 0);
                    let mut read = Ok(());
                    while delivered < count && read.is_ok() {
                        read = reader.read(&mut buffer).map(|more| delivered += more);
                    }
                    here.wait();
                    read?;
                    io::copy(&mut reader, &mut io::sink()).map(drop)
                })
            })
            .collect();
        here.wait();
        let rate = mb_per_second(image, 1, started);
        for thread in threads {
            thread.join().map_err(|_| "a reader panicked")??;
        }
        Ok(vec![rate])
    })
}
