//! The operations that are tortured: what lies in the cache before, what is run, and what may have changed after.

use crate::{TempCache, bytes, fill, serve, set_times};
use std::fs;
use std::time::{Duration, SystemTime};

/// All images that an operation may meet, and how long each is.
pub const IMAGES: [(&str, usize); 5] =
    [("first", 5_000), ("second", 9_000), ("third", 20_000), ("orphan", 4_000), ("added", 270_000)];

/// What is queued before, oldest first.
pub const QUEUE: [&str; 3] = ["wanted", "added", "wanted-too"];

/// What earlier fetches have left behind.
pub const LEFTOVERS: [&str; 3] = ["invalid/broken", "incomplete/stalled", "incomplete/added"];

/// An image's bytes; `None` for an image that nobody ever cached.
pub fn image(id: &str) -> Option<Vec<u8>> {
    let (_, size) = IMAGES.iter().find(|(image, _)| *image == id)?;
    Some(bytes(id.len() as u64, *size))
}

/// The bytes of the image that was cached as `added` before it was replaced: as many, and others.
pub fn predecessor() -> Vec<u8> {
    bytes(77, IMAGES[4].1)
}

/// Which program carries an operation out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The command line.
    CommandLine,
    /// A reader that uses the library: it reads `source` through the cache to its standard output.
    ReadThrough,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// What it is called in the matrix.
    pub name: &'static str,
    /// The program that does it.
    pub program: Program,
    /// With these arguments, in a directory where `source` has the bytes of `added`.
    pub arguments: &'static [&'static str],
    /// With which drivers.
    pub drivers: &'static [&'static str],
    /// What lies there before.
    pub before: fn(&TempCache),
    /// Images that are cached before.
    pub there: &'static [&'static str],
    /// Images that it caches.
    pub comes: &'static [&'static str],
    /// Images that it removes.
    pub goes: &'static [&'static str],
    /// Images that it may remove instead of those that it cannot remove.
    pub goes_instead: &'static [&'static str],
    /// Whether another image with the name of the one that comes is there before, and goes.
    pub replaces: bool,
    /// The image whose bytes it hands out.
    pub reads: Option<&'static str>,
    /// What it queues.
    pub queues: &'static [&'static str],
    /// What it takes out of the queue.
    pub dequeues: &'static [&'static str],
    /// Whether it removes the leftovers.
    pub cleans: bool,
    /// Whether it finds records that are of no use, with all hits in them.
    pub loses_hits: bool,
    /// Whether no compiled driver is there yet.
    pub is_cold: bool,
    /// Whether the file system cannot rename without replacing.
    pub replaces_in_renames: bool,
    /// The exit code of an undisturbed run.
    pub code: i32,
}

const BOTH: &[&str] = &["sqlite", "xattr"];

/// Changes nothing but what opening changes.
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

/// Publishes an image by a second name where it cannot be renamed without replacing another.
pub const LINKED: &str = "add, linked";

/// Stands among the arguments for the MD5 of `added`.
pub const MD5: &str = "MD5";

/// All of them.
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

/// How often each image was read before.
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

/// The same, and what fetches have left behind that failed, stalled, or were of the image that is added next.
fn with_leftover(temp: &TempCache) {
    filled(temp);
    let long_ago = SystemTime::now() - Duration::from_secs(3 * 24 * 3600);
    for name in LEFTOVERS {
        let path = temp.put(name, b"the beginning of an image");
        set_times(&path, long_ago, long_ago).expect("the file is ours");
    }
}

/// The same, and another image under the name of the one that is added next.
fn with_predecessor(temp: &TempCache) {
    filled(temp);
    fill(&temp.open(), "added", &predecessor());
    assert!(matches!(temp.open().is_queued("added"), Ok(false)));
}

/// The same as `filled`, with a file that no record tells of, and a record without its file.
fn out_of_step(temp: &TempCache) {
    filled(temp);
    temp.put("orphan", &image("orphan").expect("it is one of ours"));
    fs::remove_file(temp.path("third")).expect("it was cached");
}

/// The same as `filled`, with a file that is no database at the database's name.
fn without_database(temp: &TempCache) {
    filled(temp);
    temp.put("cache.db", &bytes(99, 10_000));
}
