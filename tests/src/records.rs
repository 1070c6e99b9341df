//! Reads directory and records from disk, without the code of the cache.

use crate::TempCache;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// The values in the inode of a cached image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDisk {
    /// Bytes.
    pub size: u64,
    /// Modification time, in microseconds since the epoch.
    pub modified: u64,
}

/// The record of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Bytes.
    pub size: u64,
    /// Modification time, in microseconds since the epoch.
    pub modified: u64,
    /// The number of its reads.
    pub hits: u64,
    /// Its MD5, if known.
    pub checksum: Option<String>,
}

impl TempCache {
    /// The images in the directory: its regular files, except those of a database and of Glance.
    pub fn images(&self) -> BTreeMap<String, OnDisk> {
        let mut images = BTreeMap::new();
        for name in self.names("") {
            let metadata = fs::symlink_metadata(self.path(&name)).expect("a listed file exists");
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

    /// The images that have a record. Reads a copy, so that the files that a program left behind do not change.
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

    /// The records, after checking that they match the files of all images and that there are no others.
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
    rows.map(|row| row.expect("the row has the values of Glance's schema")).collect()
}

fn attributes(file: &Path) -> Option<Row> {
    let text = |name: &str| {
        let value = xattr::get(file, name).expect("attributes can be read");
        value.map(|value| String::from_utf8(value).expect("the attribute is text"))
    };
    let hits = text("user.hits")?.parse().expect("the hits are decimal text");
    let metadata = fs::metadata(file).expect("a listed file exists");
    let (size, modified) = (metadata.len(), micros(&metadata));
    // The checksum is valid for the file with the size and modification time that follow it.
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
