//! The library compared with its peers: Glance's library with each of its drivers, hashes alone, plain files, and the drivers' work
//! in native code; all with default options, in turns, on the disk under `target/`.

mod concurrent_hits;
mod hit;
mod memory;
mod opening;
mod prune;
mod records;
mod small;
mod tee;
mod tee_digests;
mod warm;

use image_cache_tests::measure::{Measure, Work};

pub const MEASURES: [Measure; 20] = [
    ("tee_4_kib", tee::chunks_of_4_kib),
    ("tee_64_kib", tee::chunks_of_64_kib),
    ("tee_1_mib", tee::chunks_of_1_mib),
    ("tee_sha512", tee_digests::sha512),
    ("tee_md5_sha512", tee_digests::md5_and_sha512),
    ("shared_fetch", tee::shared),
    ("warm_read", warm::read),
    ("hit_sqlite", hit::sqlite),
    ("hit_xattr", hit::xattr),
    ("cache_10k_small", small::cache),
    ("queue_10k", small::queue),
    ("list_size_status_sqlite", records::sqlite),
    ("list_size_status_xattr", records::xattr),
    ("prune_sqlite", prune::sqlite),
    ("prune_xattr", prune::xattr),
    ("open_100k_sqlite", opening::sqlite),
    ("open_100k_xattr", opening::xattr),
    ("eight_processes_sqlite", concurrent_hits::sqlite),
    ("eight_processes_xattr", concurrent_hits::xattr),
    ("memory", memory::rows),
];

/// Work in separate processes.
pub const WORKS: [(&str, Work); 10] = [
    ("hits", concurrent_hits::hits),
    ("pending", opening::pending),
    ("memory_open", memory::open),
    ("memory_tee", memory::tee),
    ("memory_read", memory::read),
    ("memory_cache", memory::cache),
    ("memory_queue", memory::queue),
    ("memory_hits", memory::hits),
    ("memory_list", memory::list),
    ("memory_prune", memory::prune),
];
