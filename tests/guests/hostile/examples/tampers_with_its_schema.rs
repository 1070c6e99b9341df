//! The other SQL features that could leave the database or remove its bounds: extensions, pragmas, the schema's own table,
//! transactions, temporary and virtual tables.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Tampers;

const DENIED: [&str; 20] = [
    "PRAGMA writable_schema = ON",
    "PRAGMA trusted_schema = ON",
    "PRAGMA max_page_count = 2147483646",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA journal_size_limit = -1",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA temp_store = FILE",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA mmap_size = 1000000000",
    "PRAGMA cache_size = 1000000",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA database_list",
    "PRAGMA application_id = 7",
    "PRAGMA hard_heap_limit = 1",
    "BEGIN EXCLUSIVE",
    "SAVEPOINT s",
    "CREATE TEMP TABLE x(y)",
    "CREATE VIRTUAL TABLE x USING fts5(y)",
    "CREATE VIRTUAL TABLE x USING rtree(a, b, c)",
    "DETACH main",
];

const REFUSED: [&str; 5] = [
    "SELECT load_extension('../../../outside.so')",
    "UPDATE sqlite_schema SET sql = 'CREATE TABLE t(y)'",
    "DELETE FROM sqlite_schema",
    "SELECT * FROM pragma_database_list",
    "SELECT fts3_tokenizer('simple')",
];

impl image_cache_guest_hostile::Hostile for Tampers {
    fn misbehave() -> Result<(), Error> {
        sql::execute(&statement("CREATE TABLE IF NOT EXISTS t(x)"))?;
        for text in DENIED {
            stopped(text, sql::query(&statement(text)), &[Error::Denied]);
        }
        for text in REFUSED {
            assert!(sql::query(&statement(text)).is_err(), "not stopped: {text}");
        }
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Tampers);
