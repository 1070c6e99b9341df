//! The work of the built-in drivers in native code: the same statements, the same system calls.

use image_cache::{CachedImage, Hit};
use rusqlite::{Connection, params};
use rustix::fs::{AtFlags, OFlags, Timespec, Timestamps, UTIME_OMIT};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use xattr::FileExt;

const COUNT: &str = "UPDATE cached_images SET \
    hits = max(ifnull(CAST(hits AS INTEGER), 0), 0) + ?2, \
    last_accessed = max(ifnull(CAST(last_accessed AS REAL), 0.0), ?3) WHERE image_id = ?1";
const INSERT: &str = "INSERT OR REPLACE INTO cached_images \
    (image_id, last_accessed, last_modified, size, hits, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const ONE: &str = "SELECT image_id, last_accessed, last_modified, size, hits, checksum \
    FROM cached_images WHERE image_id = ?1";

/// Records in SQLite, with a connection that has the same settings as the host's.
pub struct Sqlite {
    connection: Connection,
}

/// A row of the table.
pub type Row = (String, f64, f64, i64, i64, Option<String>);

impl Sqlite {
    /// Opens the database that the driver created.
    pub fn open(database: &Path) -> Sqlite {
        let connection = Connection::open(database).expect("the driver made it");
        connection.set_prepared_statement_cache_capacity(64);
        let pragmas =
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cell_size_check = ON";
        connection.execute_batch(pragmas).expect("SQLite knows them");
        Sqlite { connection }
    }

    /// Counts one hit.
    pub fn record_hit(&mut self, hit: &Hit) {
        let mut count = self.connection.prepare_cached(COUNT).expect("it parses");
        count.execute(params![hit.image_id.as_str(), 1, seconds(hit.at)]).expect("a hit");
    }

    /// Writes a record.
    pub fn record(&mut self, image: &CachedImage) {
        let mut insert = self.connection.prepare_cached(INSERT).expect("it parses");
        let (accessed, modified) = (seconds(image.last_accessed), seconds(image.last_modified));
        let (size, hits) = (image.size.cast_signed(), image.hits.cast_signed());
        let checksum = image.checksum.as_ref().map(|checksum| checksum.value());
        let row = params![image.image_id.as_str(), accessed, modified, size, hits, checksum];
        insert.execute(row).expect("a record");
    }

    /// Reads one record.
    pub fn find(&mut self, id: &str) -> Option<Row> {
        let mut one = self.connection.prepare_cached(ONE).expect("it parses");
        let row = |row: &rusqlite::Row<'_>| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        };
        one.query_row([id], row).ok()
    }
}

/// Records in attributes, with the lock that prevents lost counts.
pub struct Xattr {
    directory: PathBuf,
    base: File,
    lock: File,
}

impl Xattr {
    /// Opens a directory that the driver used before.
    pub fn open(directory: &Path) -> Xattr {
        let lock = directory.join(".image-cache/attributes.lock");
        let lock = File::options().read(true).write(true).create(true).truncate(false).open(lock);
        let base = File::open(directory).expect("the directory is there");
        Xattr {
            directory: directory.to_owned(),
            base,
            lock: lock.expect("the cache created its directory"),
        }
    }

    /// Counts one hit.
    pub fn record_hit(&mut self, hit: &Hit) {
        let path = self.directory.join(hit.image_id.as_str());
        let flags = (OFlags::NOATIME | OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(path);
        let file = file.expect("the image is there");
        assert!(file.metadata().expect("it can be looked at").is_file());
        self.lock.lock().expect("no other process has the lock");
        let now = file.get_xattr("user.hits").expect("it can be read").unwrap_or_default();
        let hits: i64 = std::str::from_utf8(&now).unwrap_or_default().parse().unwrap_or(0);
        file.set_xattr("user.hits", (hits + 1).to_string().as_bytes()).expect("it can be set");
        self.lock.unlock().expect("it was locked");
        drop(file);
        self.touch(hit);
    }

    /// Moves the access time forward, never back.
    fn touch(&self, hit: &Hit) {
        let (id, no_follow) = (hit.image_id.as_str(), AtFlags::SYMLINK_NOFOLLOW);
        let stat = rustix::fs::statat(&self.base, id, no_follow).expect("the image is there");
        let since = hit.at.duration_since(UNIX_EPOCH).expect("after 1970");
        let seconds = since.as_secs().cast_signed();
        if (stat.st_atime, stat.st_atime_nsec) < (seconds, u64::from(since.subsec_nanos())) {
            let at = Timespec { tv_sec: seconds, tv_nsec: since.subsec_nanos().into() };
            let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
            let times = Timestamps { last_access: at, last_modification: omit };
            rustix::fs::utimensat(&self.base, id, &times, no_follow).expect("it is ours");
        }
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).expect("after 1970").as_micros() as f64 / 1e6
}
