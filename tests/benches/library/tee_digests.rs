//! A cold image of 1 GiB with expected checksums, compared with minimal programs that hash and write the same.

use super::tee::{GIB, each_chunk, mb_per_second, tee};
use image_cache::{Checksum, ChecksumAlgorithm, Expected};
use image_cache_tests::Tested;
use image_cache_tests::measure::files::{Large, config, open, sync_all};
use image_cache_tests::measure::{Asked, Bench, Row, Side, in_turns};
use sha2::{Digest, Sha512};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

const CHUNK: usize = 64 << 10;

const ONE_THREAD: &str = "a loop that reads, hashes and writes";

const THREADS: &str = "a thread that writes, and one for each hash";

pub fn sha512(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, &[ChecksumAlgorithm::Sha512])
}

pub fn md5_and_sha512(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, &[ChecksumAlgorithm::Md5, ChecksumAlgorithm::Sha512])
}

fn rows(bench: &Bench, algorithms: &[ChecksumAlgorithm]) -> Tested<Vec<Row>> {
    let image = &Large::of(bench.size(GIB));
    let expected = &digests(image, algorithms)?;
    let scratch = bench.scratch()?;
    let directory = &scratch.path().join("ours");
    let cache = &open(config(directory, "sqlite"))?;
    let plain = &scratch.path().join("plain");
    fs::create_dir_all(plain)?;
    let peer = |name, write: fn(&Path, &Large, &Expected) -> Tested<Vec<f64>>| {
        Side::new(name, move || {
            sync_all(plain)?;
            write(&plain.join("large"), image, expected)
        })
    };
    let ours = Side::new("ours", move || {
        cache.delete_all_cached_images()?;
        sync_all(directory)?;
        tee(cache, image, (CHUNK, 1), expected)
    });
    let sides = vec![ours, peer(ONE_THREAD, in_one_thread), peer(THREADS, in_threads)];
    let scores = in_turns(bench.rounds(3), sides)?;
    let names: Vec<String> = algorithms.iter().map(ToString::to_string).collect();
    let what = format!("1 GiB in chunks of 64 KiB, {} expected", names.join(" and "));
    let unflushed = format!("{what}, up to the last byte, which waits for the sync");
    let flushed = format!("{what}, to the end: synced, recorded, published");
    let mut rows: Vec<Row> = [unflushed, flushed]
        .iter()
        .enumerate()
        .map(|(nth, what)| Row::new("tee", what, "MB/s", &scores, nth))
        .collect();
    if !algorithms.contains(&ChecksumAlgorithm::Md5) {
        rows = rows.into_iter().map(|row| row.note("only ours computes the MD5 too")).collect();
    }
    let median = |nth: usize| scores[nth].figure(0).map_or(f64::NAN, |figure| figure.median);
    let share = format!("share of {ONE_THREAD}");
    rows[0] = rows[0].clone().asking(Asked::AtLeast(0.9), median(0) / median(1), &share);
    Ok(rows)
}

/// A hash by the fastest implementation of each algorithm.
enum Hash {
    Md5(fast_md5::Md5),
    Sha512(Sha512),
}

impl Hash {
    fn of(algorithm: ChecksumAlgorithm) -> Hash {
        match algorithm {
            ChecksumAlgorithm::Md5 => Hash::Md5(fast_md5::Md5::new()),
            _ => Hash::Sha512(Sha512::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hash::Md5(md5) => md5.update(bytes),
            Hash::Sha512(sha512) => sha512.update(bytes),
        }
    }

    fn finish(self) -> io::Result<Checksum> {
        let checksum = match self {
            Hash::Md5(md5) => Checksum::new(ChecksumAlgorithm::Md5, &hex::encode(md5.finalize())),
            Hash::Sha512(sha512) => {
                Checksum::new(ChecksumAlgorithm::Sha512, &hex::encode(sha512.finalize()))
            }
        };
        checksum.map_err(io::Error::other)
    }
}

fn hash(image: &Large, algorithm: ChecksumAlgorithm) -> io::Result<Checksum> {
    let mut hash = Hash::of(algorithm);
    each_chunk(image, CHUNK, |bytes| {
        hash.update(bytes);
        Ok(())
    })?;
    hash.finish()
}

fn digests(image: &Large, algorithms: &[ChecksumAlgorithm]) -> io::Result<Expected> {
    let digests = algorithms.iter().map(|algorithm| hash(image, *algorithm));
    let digests = digests.collect::<io::Result<Vec<_>>>()?;
    Ok(digests.into_iter().fold(Expected::nothing(), Expected::with_checksum))
}

fn check(found: &[Checksum], expected: &Expected) -> Tested {
    if found != expected.checksums() { Err("another digest".into()) } else { Ok(()) }
}

/// The speed without and with a sync; removes the file.
fn finish(path: &Path, file: &File, image: &Large, started: Instant) -> Tested<Vec<f64>> {
    let unflushed = mb_per_second(image, 1, started);
    file.sync_all()?;
    let flushed = mb_per_second(image, 1, started);
    fs::remove_file(path)?;
    Ok(vec![unflushed, flushed])
}

fn in_one_thread(path: &Path, image: &Large, expected: &Expected) -> Tested<Vec<f64>> {
    let started = Instant::now();
    let algorithms = expected.checksums().iter().map(Checksum::algorithm);
    let mut hashes: Vec<Hash> = algorithms.map(Hash::of).collect();
    let mut file = File::create(path)?;
    each_chunk(image, CHUNK, |bytes| {
        hashes.iter_mut().for_each(|hash| hash.update(bytes));
        file.write_all(bytes)
    })?;
    let found = hashes.into_iter().map(Hash::finish).collect::<io::Result<Vec<_>>>()?;
    check(&found, expected)?;
    finish(path, &file, image, started)
}

/// Each thread reads the source itself, which is in memory: nothing is passed between threads.
fn in_threads(path: &Path, image: &Large, expected: &Expected) -> Tested<Vec<f64>> {
    let started = Instant::now();
    let mut file = File::create(path)?;
    let found = std::thread::scope(|scope| -> Tested<_> {
        let algorithms = expected.checksums().iter().map(Checksum::algorithm);
        let spawn = |algorithm| scope.spawn(move || hash(image, algorithm));
        let threads: Vec<_> = algorithms.map(spawn).collect();
        each_chunk(image, CHUNK, |bytes| file.write_all(bytes))?;
        let join = |thread: std::thread::ScopedJoinHandle<'_, io::Result<Checksum>>| -> Tested<_> {
            Ok(thread.join().map_err(|_| "a thread panicked")??)
        };
        threads.into_iter().map(join).collect::<Tested<Vec<_>>>()
    })?;
    check(&found, expected)?;
    finish(path, &file, image, started)
}
