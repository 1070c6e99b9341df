//! The operations of the torture tests: the state of the cache before, the command, and the permitted changes.

use crate::{TempCache, bytes, fill, serve, set_times};
use std::fs;
use std::time::{Duration, SystemTime};

/// All images of the operations, and their lengths.
pub const IMAGES: [(&str, usize); 5] =
    [("first", 5_000), ("second", 9_000), ("third", 20_000), ("orphan", 4_000), ("added", 270_000)];

/// The queue before the operation, oldest first.
pub const QUEUE: [&str; 3] = ["wanted", "added", "wanted-too"];

/// The leftovers of earlier fetches.
pub const LEFTOVERS: [&str; 3] = ["invalid/broken", "incomplete/stalled", "incomplete/added"];

/// The bytes of an image; `None` for an image that was never cached.
pub fn image(id: &str) -> Option<Vec<u8>> {
    let (_, size) = IMAGES.iter().find(|(image, _)| *image == id)?;
    Some(bytes(id.len() as u64, *size))
}

/// The bytes of the image that was cached as `added` before it was replaced: other bytes of the same length.
pub fn predecessor() -> Vec<u8> {
    bytes(77, IMAGES[4].1)
}

/// The program that executes an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The command line.
    CommandLine,
    /// A program that uses the library: it reads `source` through the cache to its standard output.
    ReadThrough,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Its name in the matrix.
    pub name: &'static str,
    /// The program that executes it.
    pub program: Program,
    /// The arguments; in the directory, `source` has the bytes of `added`.
    pub arguments: &'static [&'static str],
    /// The drivers.
    pub drivers: &'static [&'static str],
    /// The initial state.
    pub before: fn(&TempCache),
    /// Images that are cached before.
    pub there: &'static [&'static str],
    /// Images that it caches.
    pub comes: &'static [&'static str],
    /// Images that it removes.
    pub goes: &'static [&'static str],
    /// Images that it may remove instead of those that cannot be removed.
    pub goes_instead: &'static [&'static str],
    /// Whether another image with the name of the new image exists before and is replaced.
    pub replaces: bool,
    /// The image whose bytes it returns.
    pub reads: Option<&'static str>,
    /// The image that it queues.
    pub queues: &'static [&'static str],
    /// The image that it removes from the queue.
    pub dequeues: &'static [&'static str],
    /// Whether it removes the leftovers.
    pub cleans: bool,
    /// Whether it finds unusable records, with all hits in them.
    pub loses_hits: bool,
    /// Whether there is no compiled driver yet.
    pub is_cold: bool,
    /// Whether the file system cannot rename without replacing.
    pub replaces_in_renames: bool,
    /// The exit code of a run without faults.
    pub code: i32,
}

const BOTH: &[&str] = &["sqlite", "xattr"];

/// An operation that makes no changes except those of opening.
const STATUS: Operation = Operation {
    name: "status",
    program: Program::CommandLine,
    arguments: &["status"],
    drivers: BOTH,
    before: filled,
    there: &["first", "second", "third"],
    comes: &[],
    goes: &[],
    goes_instead: &[],
    replaces: false,
    reads: None,
    queues: &[],
    dequeues: &[],
    cleans: false,
    loses_hits: false,
    is_cold: false,
    replaces_in_renames: false,
    code: 0,
};

/// Publishes an image with a second name if it cannot be renamed without replacing another.
pub const LINKED: &str = "add, linked";

/// A placeholder in the arguments for the MD5 of `added`.
pub const MD5: &str = "MD5";

/// All operations.
pub const OPERATIONS: [Operation; 20] = [
    STATUS,
    Operation { name: "open, nothing compiled", is_cold: true, ..STATUS },
    Operation { name: "open, new", before: |_| {}, there: &[], ..STATUS },
    Operation {
        name: "open, repair",
        before: out_of_step,
        there: &["first", "second", "orphan"],
        ..STATUS
    },
    Operation {
        name: "open, no database",
        before: without_database,
        drivers: &["sqlite"],
        loses_hits: true,
        ..STATUS
    },
    Operation {
        name: "add",
        arguments: &["add", "added", "source", "--md5", MD5],
        before: with_leftover,
        comes: &["added"],
        dequeues: &["added"],
        ..STATUS
    },
    Operation {
        name: "add, new directory",
        arguments: &["add", "added", "source"],
        before: |_| {},
        there: &[],
        comes: &["added"],
        ..STATUS
    },
    Operation {
        name: LINKED,
        arguments: &["add", "added", "source"],
        drivers: &["sqlite"],
        before: with_leftover,
        comes: &["added"],
        dequeues: &["added"],
        replaces_in_renames: true,
        ..STATUS
    },
    Operation {
        name: "add, wrong MD5",
        arguments: &["add", "added", "source", "--md5", "00000000000000000000000000000000"],
        code: 4,
        ..STATUS
    },
    Operation {
        name: "read through",
        program: Program::ReadThrough,
        arguments: &["added", "source"],
        comes: &["added"],
        dequeues: &["added"],
        reads: Some("added"),
        ..STATUS
    },
    Operation {
        name: "replace",
        program: Program::ReadThrough,
        arguments: &["added", "source", "replace"],
        before: with_predecessor,
        comes: &["added"],
        dequeues: &["added"],
        replaces: true,
        reads: Some("added"),
        ..STATUS
    },
    Operation { name: "verify", arguments: &["verify", "--all"], ..STATUS },
    Operation { name: "get", arguments: &["get", "third"], reads: Some("third"), ..STATUS },
    Operation {
        name: "get, to a file",
        arguments: &["get", "third", "--output", "output"],
        reads: Some("third"),
        ..STATUS
    },
    Operation { name: "delete", arguments: &["delete", "second"], goes: &["second"], ..STATUS },
    Operation {
        name: "delete, all",
        arguments: &["delete", "--all", "--yes"],
        goes: &["first", "second", "third"],
        ..STATUS
    },
    Operation {
        name: "prune",
        arguments: &["--max-size", "20000", "prune"],
        goes: &["first", "second"],
        goes_instead: &["third"],
        ..STATUS
    },
    Operation {
        name: "clean",
        arguments: &["clean"],
        before: with_leftover,
        cleans: true,
        ..STATUS
    },
    Operation {
        name: "queue add",
        arguments: &["queue", "add", "new", "newer"],
        queues: &["new", "newer"],
        ..STATUS
    },
    Operation {
        name: "queue remove",
        arguments: &["queue", "remove", "wanted", "added"],
        dequeues: &["wanted", "added"],
        ..STATUS
    },
];

/// The number of earlier reads of each image.
pub fn hits(id: &str) -> u64 {
    match id {
        "first" => 2,
        "second" => 1,
        _ => 0,
    }
}

/// Three images, the least recently used first, and a queue.
fn filled(temp: &TempCache) {
    let cache = temp.open();
    for id in ["first", "second", "third"] {
        fill(&cache, id, &image(id).expect("it is one of ours"));
        for _ in 0..hits(id) {
            serve(&cache, id).expect("it was cached");
        }
    }
    for id in QUEUE {
        assert!(matches!(cache.queue_image(id), Ok(true)));
    }
}

/// The same, with leftovers of fetches that failed or stalled, or that were for the image that is added next.
fn with_leftover(temp: &TempCache) {
    filled(temp);
    let long_ago = SystemTime::now() - Duration::from_secs(3 * 24 * 3600);
    for name in LEFTOVERS {
        let path = temp.put(name, b"the beginning of an image");
        set_times(&path, long_ago, long_ago).expect("the file is ours");
    }
}

/// The same, with another image under the name of the image that is added next.
fn with_predecessor(temp: &TempCache) {
    filled(temp);
    fill(&temp.open(), "added", &predecessor());
    assert!(matches!(temp.open().is_queued("added"), Ok(false)));
}

/// The same as `filled`, with a file without a record, and an orphan record.
fn out_of_step(temp: &TempCache) {
    filled(temp);
    temp.put("orphan", &image("orphan").expect("it is one of ours"));
    fs::remove_file(temp.path("third")).expect("it was cached");
}

/// The same as `filled`, with a file that is not a database at the database's name.
fn without_database(temp: &TempCache) {
    filled(temp);
    temp.put("cache.db", &bytes(99, 10_000));
}
