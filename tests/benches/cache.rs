//! The library's speed: filling beside MD5 alone, one hit, opening, and evicting.
//!
//! All of it on the disk under `target/`, through real drivers.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use image_cache::{Config, Expected, ImageCache};
use md5::{Digest, Md5};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tempfile::TempDir;

const DRIVERS: [&str; 2] = ["sqlite", "xattr"];
const GIB: usize = 1 << 30;
const CHUNK: usize = 64 * 1024;

fn main() {
    divan::main();
}

/// A GiB from memory, handed out in chunks of 64 KiB.
struct Source<'a> {
    bytes: &'a [u8],
}

impl Read for Source<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let count = buf.len().min(CHUNK).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(count);
        buf[..count].copy_from_slice(now);
        self.bytes = later;
        Ok(count)
    }
}

fn image() -> Vec<u8> {
    (0..GIB / 8)
        .flat_map(|n| (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())
        .collect()
}

fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the benchmark")
}

fn open(directory: &Path, driver: &str, max_size: u64) -> ImageCache {
    let config = Config::builder(directory).driver(driver).max_size(max_size).build();
    ImageCache::open(config.expect("a valid configuration")).expect("a cache")
}

/// A cache of `images` files of 1 KiB, which opening adopts.
fn filled(directory: &Path, driver: &str, images: usize, max_size: u64) -> ImageCache {
    std::fs::create_dir_all(directory).expect("a cache directory");
    for n in 0..images {
        std::fs::write(directory.join(format!("image-{n:06}")), [7; 1024]).expect("an image");
    }
    open(directory, driver, max_size)
}

/// What the tee is held against: the same source, the same buffer, the same MD5, and nothing else.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn fill_1_gib_md5_alone(bencher: Bencher) {
    let image = image();
    bencher.counter(BytesCount::new(GIB)).bench_local(|| {
        let (mut source, mut buffer, mut md5) =
            (Source { bytes: &image }, vec![0; CHUNK], Md5::new());
        loop {
            let count = source.read(&mut buffer).expect("memory can be read");
            if count == 0 {
                break md5.finalize();
            }
            md5.update(&buffer[..count]);
        }
    });
}

/// All but the last byte, which waits for the flush to disk.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn fill_1_gib_tee_before_flush(bencher: Bencher) {
    let image = image();
    let scratch = scratch();
    let cache = open(scratch.path(), "sqlite", 1 << 40);
    bencher
        .counter(BytesCount::new(GIB))
        .with_inputs(|| cache.delete_all_cached_images().expect("an empty cache"))
        .bench_local_values(|_| {
            let mut reader = cache
                .caching_reader("image", Source { bytes: &image }, Expected::nothing())
                .expect("a reader");
            let (mut buffer, mut delivered) = (vec![0; CHUNK], 0);
            // Everything is written and all but the blocks under way hashed when the last byte is held back.
            while delivered < GIB - 1 {
                delivered += reader.read(&mut buffer).expect("a chunk");
            }
            reader
        });
}

/// To the end: hashed, flushed to disk, recorded, published.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn fill_1_gib_tee_with_flush(bencher: Bencher) {
    let image = image();
    let scratch = scratch();
    let cache = open(scratch.path(), "sqlite", 1 << 40);
    bencher
        .counter(BytesCount::new(GIB))
        .with_inputs(|| cache.delete_all_cached_images().expect("an empty cache"))
        .bench_local_values(|_| {
            let mut reader = cache
                .caching_reader("image", Source { bytes: &image }, Expected::nothing())
                .expect("a reader");
            let mut buffer = vec![0; CHUNK];
            while reader.read(&mut buffer).expect("a chunk") > 0 {}
        });
}

/// The same by readers that share one source, each in a thread of its own; bytes are those of the image.
#[divan::bench(args = [1, 2, 8], sample_count = 3, sample_size = 1)]
fn fill_1_gib_shared_before_flush(bencher: Bencher, readers: usize) {
    let image: &'static [u8] = Vec::leak(image());
    let scratch = scratch();
    let cache = open(scratch.path(), "sqlite", 1 << 40);
    bencher
        .counter(BytesCount::new(GIB))
        .with_inputs(|| cache.delete_all_cached_images().expect("an empty cache"))
        .bench_local_values(|_| {
            let open = || {
                let source = Source { bytes: image };
                cache.get_or_fetch("image", Expected::nothing(), || Ok(source)).expect("a reader")
            };
            let readers: Vec<_> = (0..readers).map(|_| open()).collect();
            std::thread::scope(|scope| {
                let read = |mut reader: image_cache::FetchReader| {
                    let (mut buffer, mut delivered) = (vec![0; CHUNK], 0);
                    while delivered < GIB - 1 {
                        delivered += reader.read(&mut buffer).expect("a chunk");
                    }
                    reader
                };
                let threads: Vec<_> =
                    readers.into_iter().map(|reader| scope.spawn(move || read(reader))).collect();
                threads.into_iter().map(|thread| thread.join().ok()).collect::<Vec<_>>()
            })
        });
}

/// The flush alone: the same bytes written and flushed without a cache.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn flush_of_1_gib_alone(bencher: Bencher) {
    let image = image();
    let scratch = scratch();
    bencher
        .counter(BytesCount::new(GIB))
        .with_inputs(|| {
            let path = scratch.path().join("image");
            let _ = std::fs::remove_file(&path);
            let mut file = File::create(path).expect("a file");
            std::io::Write::write_all(&mut file, &image).expect("room for a GiB");
            file
        })
        .bench_local_refs(|file| file.sync_all());
}

/// An image of a GiB in the page cache, in reads of 1 MiB into the same buffer.
fn warm_read(bencher: Bencher, verify: bool) {
    let scratch = scratch();
    let config = Config::builder(scratch.path()).max_size(1 << 40).verify_reads(verify).build();
    let cache = ImageCache::open(config.expect("a valid configuration")).expect("a cache");
    cache.cache_image("image", Source { bytes: &image() }, Expected::nothing()).expect("an image");
    let mut buffer = vec![0; 1 << 20];
    bencher.counter(BytesCount::new(GIB)).bench_local(|| {
        let mut reader = cache.open_for_read("image").expect("a cache").expect("a cached image");
        while reader.read(&mut buffer).expect("a block") > 0 {}
    });
}

/// As reads are: every block is verified before it is handed out.
#[divan::bench(sample_count = 25, sample_size = 1)]
fn warm_read_verified(bencher: Bencher) {
    warm_read(bencher, true);
}

/// The same with `image_cache_verify_reads` off.
#[divan::bench(sample_count = 25, sample_size = 1)]
fn warm_read_unverified(bencher: Bencher) {
    warm_read(bencher, false);
}

/// Open, read 1 KiB, close; the books are written when it returns. Not the first use of an image that others
/// cached, which makes its digests.
#[divan::bench(args = DRIVERS, sample_count = 2000)]
fn hit(bencher: Bencher, driver: &str) {
    let scratch = scratch();
    let cache = filled(scratch.path(), driver, 1000, 1 << 40);
    for n in 0..1000 {
        cache.verify(&format!("image-{n:06}")).expect("it is whole");
    }
    let mut n = 0;
    bencher.bench_local(|| {
        n = (n + 1) % 1000;
        let id = format!("image-{n:06}");
        let mut reader = cache.open_for_read(&id).expect("a cache").expect("a cached image");
        let mut kib = [0; 1024];
        reader.read_exact(&mut kib).expect("1 KiB");
        black_box(kib);
    });
}

/// The same without a cache: what the file system takes.
#[divan::bench(sample_count = 2000)]
fn hit_plain_file(bencher: Bencher) {
    let scratch = scratch();
    std::fs::write(scratch.path().join("image"), [7; 1024]).expect("a file");
    let path = scratch.path().join("image");
    bencher.bench_local(|| {
        let mut kib = [0; 1024];
        File::open(&path).and_then(|mut file| file.read_exact(&mut kib)).expect("1 KiB");
        black_box(kib);
    });
}

/// Half of the images; items are evictions.
#[divan::bench(args = DRIVERS, consts = [2000, 20_000], sample_count = 3, sample_size = 1)]
fn evict_half_of<const IMAGES: usize>(bencher: Bencher, driver: &str) {
    bencher
        .counter(ItemsCount::new(IMAGES / 2))
        .with_inputs(|| {
            let scratch = scratch();
            let cache = filled(scratch.path(), driver, IMAGES, IMAGES as u64 / 2 * 1024);
            (scratch, cache)
        })
        .bench_local_refs(|(_scratch, cache)| {
            let pruned = cache.prune().expect("a prune");
            assert_eq!(pruned.images, IMAGES as u64 / 2);
        });
}

/// Opening a cache of 1,000 images whose driver was compiled before.
#[divan::bench(args = DRIVERS, sample_count = 20, sample_size = 1)]
fn open_1000_images(bencher: Bencher, driver: &str) {
    let scratch = scratch();
    drop(filled(scratch.path(), driver, 1000, 1 << 40));
    bencher.bench_local(|| open(scratch.path(), driver, 1 << 40));
}
