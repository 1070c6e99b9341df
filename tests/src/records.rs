//! Directory and records as they lie on disk, read with other means than the cache's own.

use crate::TempCache;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// What the inode of a cached image says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDisk {
    /// Bytes.
    pub size: u64,
    /// Modification time, in microseconds since the epoch.
    pub modified: u64,
}

/// What the records say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Bytes.
    pub size: u64,
    /// Modification time, in microseconds since the epoch.
    pub modified: u64,
    /// How often it was read.
    pub hits: u64,
    /// Its MD5, where it is known.
    pub checksum: Option<String>,
}

impl TempCache {
    /// The images in the directory: its regular files, but for those of a database and of Glance.
    pub fn images(&self) -> BTreeMap<String, OnDisk> {
        let mut images = BTreeMap::new();
        for name in self.names("") {
            let metadata = fs::symlink_metadata(self.path(&name)).expect("what is listed is there");
            let glance = ["image_cache_db_init", "checkme"].contains(&name.as_str());
            let ours = name.starts_with("cache.db") || name.starts_with('.');
            if metadata.is_file() && !ours && !glance {
                images.insert(name, OnDisk { size: metadata.len(), modified: micros(&metadata) });
            }
        }
        images
    }

    /// The records of this cache's driver.
    pub fn records(&self) -> BTreeMap<String, Row> {
        match self.driver() {
            "sqlite" => rows(&self.path("cache.db")),
            _ => self
                .images()
                .into_keys()
                .filter_map(|id| Some((id.clone(), attributes(&self.path(&id))?)))
                .collect(),
        }
    }

    /// The images that have a record, looked up without touching what a program left behind: in a copy.
    pub fn recorded(&self) -> io::Result<BTreeSet<String>> {
        if self.driver() != "sqlite" {
            return Ok(self.records().into_keys().collect());
        }
        let copy = TempDir::new()?;
        for name in ["cache.db", "cache.db-wal"] {
            if self.path(name).is_file() {
                fs::copy(self.path(name), copy.path().join(name))?;
            }
        }
        Ok(rows(&copy.path().join("cache.db")).into_keys().collect())
    }

    /// The records, once it is sure that they say of each image what its file says, and of nothing else.
    pub fn records_in_sync(&self) -> BTreeMap<String, Row> {
        let records = self.records();
        let said = records
            .iter()
            .map(|(id, row)| (id.clone(), OnDisk { size: row.size, modified: row.modified }));
        assert_eq!(
            said.collect::<BTreeMap<_, _>>(),
            self.images(),
            "the records (left) and the directory (right)"
        );
        records
    }

    /// A connection of another program to the sqlite driver's database.
    pub fn database(&self) -> Connection {
        connect(&self.path("cache.db"))
    }
}

fn connect(database: &Path) -> Connection {
    let connection = Connection::open(database).expect("the database can be opened");
    connection.busy_timeout(Duration::from_secs(30)).expect("a time-out can be set");
    connection
}

fn rows(database: &Path) -> BTreeMap<String, Row> {
    let connection = connect(database);
    let mut statement = connection
        .prepare("SELECT image_id, size, last_modified, hits, checksum FROM cached_images")
        .expect("the table is Glance's");
    let row = |row: &rusqlite::Row<'_>| {
        let row_of = Row {
            size: row.get::<_, i64>(1)?.cast_unsigned(),
            modified: (row.get::<_, f64>(2)? * 1e6).round() as u64,
            hits: row.get::<_, i64>(3)?.cast_unsigned(),
            checksum: row.get(4)?,
        };
        Ok((row.get(0)?, row_of))
    };
    let rows = statement.query_map([], row).expect("the rows can be read");
    rows.map(|row| row.expect("the row holds what Glance's would")).collect()
}

fn attributes(file: &Path) -> Option<Row> {
    let text = |name: &str| {
        let value = xattr::get(file, name).expect("attributes can be read");
        value.map(|value| String::from_utf8(value).expect("the attribute is text"))
    };
    let hits = text("user.hits")?.parse().expect("the hits are decimal text");
    let metadata = fs::metadata(file).expect("what is listed is there");
    let (size, modified) = (metadata.len(), micros(&metadata));
    // The checksum holds for the file whose size and modification time stand behind it.
    let behind = format!(" {size} {modified}");
    let checksum =
        text("user.checksum").and_then(|sum| Some(sum.strip_suffix(&behind)?.to_owned()));
    Some(Row { size, modified, hits, checksum })
}

fn micros(metadata: &fs::Metadata) -> u64 {
    let (seconds, nanoseconds) =
        (metadata.mtime().cast_unsigned(), metadata.mtime_nsec().cast_unsigned());
    seconds * 1_000_000 + nanoseconds / 1000
}
