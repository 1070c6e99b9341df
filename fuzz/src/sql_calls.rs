//! Calls of the capability `sql`, one after another. Whatever a guest sends: nothing panics, only its database changes,
//! a failed transaction leaves no changes, and the next connection finds an intact, unlocked database.
//!
//! This module is included in the library's own tests.

use super::{Database, DatabasePath, MAX_STATEMENTS, wit};
use crate::driver::deadline::Deadline;
use image_cache_store::Directory;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum size of the guest's database, in bytes.
const MAX_BYTES: u64 = 2 << 20;

/// How much SQLite may write beyond this before the host notices, in bytes.
const MAX_OVERRUN: u64 = 256 << 10;

/// Maximum time of one call.
const CALL_TIME: Duration = Duration::from_millis(50);

const MAX_CALLS: usize = 24;

/// Each line is a call: `x` executes, `q` queries, `a` executes several statements as one, and any other letter ends this call of
/// the driver and begins the next one. U+001E separates statements, and tabs separate a statement's text and parameters.
/// `place` is an empty directory.
pub fn check(place: &Path, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let base = place.join("cache");
    let directory = Directory::open(&base, Path::new("cache.db")).expect("it opens");
    let deadline = Deadline::default();
    let mut guest = Guest {
        database: Database::new(
            Arc::new(directory),
            &DatabasePath::OfDriver("mine.db".into()),
            MAX_BYTES,
            deadline.clone(),
        ),
        deadline,
        transactions: 0,
    };
    for line in text.lines().take(MAX_CALLS) {
        guest.call(line);
        let bytes = guest.database.bytes_on_disk();
        assert!(bytes <= MAX_BYTES + MAX_OVERRUN, "{bytes} bytes on disk");
    }
    guest.database.end_call();
    look_outside(place, &base);
    let path = base.join(".image-cache/drivers/mine.db");
    if path.exists() {
        look_at_the_next(&path);
    }
}

struct Guest {
    database: Database,
    deadline: Deadline,
    transactions: i64,
}

impl Guest {
    fn call(&mut self, line: &str) {
        self.deadline.set(Instant::now() + CALL_TIME);
        let Some((kind, rest)) = line.split_at_checked(1) else { return };
        match kind {
            "x" => drop(self.database.execute(&statement(rest))),
            "q" => drop(self.database.query(&statement(rest))),
            "a" => self.all_or_none(rest),
            _ => {
                self.database.end_call();
                self.database.begin_call();
            }
        }
    }

    /// The first statement sets a mark, which exists afterwards only if all statements were executed.
    fn all_or_none(&mut self, line: &str) {
        self.transactions += 1;
        let nth = self.transactions;
        let mark = |sql: &str| wit::Statement {
            sql: sql.into(),
            parameters: vec![wit::Value::Integer(nth)],
        };
        let made = "CREATE TABLE IF NOT EXISTS marks(n)";
        let _ = self.database.execute(&wit::Statement { sql: made.into(), parameters: Vec::new() });
        let mut all = vec![mark("INSERT INTO marks VALUES (?)")];
        all.extend(line.split('\x1e').take(MAX_STATEMENTS - 1).map(statement));
        self.deadline.set(Instant::now() + CALL_TIME);
        let result = self.database.execute_all(&all);
        self.deadline.set(Instant::now() + CALL_TIME);
        let found = self.database.query(&mark("SELECT count(*) FROM marks WHERE n IS ?"));
        if let (Err(error), Ok(found)) = (result, found) {
            // A guest may have replaced ours with a view or a mark of its own.
            let is_ours = !line.to_ascii_lowercase().contains("marks");
            let count = format!("{:?}", found.rows);
            assert!(!is_ours || count.contains("Integer(0)"), "{error:?}, but {count} marks");
        }
    }
}

fn statement(text: &str) -> wit::Statement {
    let mut parts = text.split('\t');
    let sql = parts.next().unwrap_or_default().to_owned();
    wit::Statement { sql, parameters: parts.map(value).collect() }
}

/// A letter for the type, and the rest.
fn value(text: &str) -> wit::Value {
    let (kind, rest) = text.split_at_checked(1).unwrap_or_default();
    match kind {
        "i" => rest.parse().map_or(wit::Value::Integer(i64::MIN), wit::Value::Integer),
        "r" => wit::Value::Real(rest.parse().unwrap_or(f64::NAN)),
        "b" => wit::Value::Blob(rest.as_bytes().to_vec()),
        "t" => wit::Value::Text(rest.to_owned()),
        _ => wit::Value::Null,
    }
}

/// No file exists where a guest may not create one.
fn look_outside(place: &Path, base: &Path) {
    assert_eq!(names(place), ["cache"], "beside the cache");
    let made = [".image-cache", "incomplete", "invalid", "queue"];
    let strange: Vec<_> =
        names(base).into_iter().filter(|name| !made.contains(&name.as_str())).collect();
    assert!(strange.is_empty(), "{strange:?} in the cache");
    let drivers = base.join(".image-cache/drivers");
    let strange: Vec<_> = names(&drivers)
        .into_iter()
        .filter(|name| {
            !matches!(name.strip_prefix("mine.db"), Some("" | "-wal" | "-shm" | "-journal"))
        })
        .collect();
    assert!(strange.is_empty(), "{strange:?} beside the database");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Another connection may write at once, and finds no damaged page.
fn look_at_the_next(path: &Path) {
    let next = rusqlite::Connection::open(path).expect("it opens");
    next.busy_timeout(Duration::ZERO).expect("it does not wait");
    next.execute_batch("BEGIN IMMEDIATE; ROLLBACK").expect("the database is not locked");
    let sound: String =
        next.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0)).expect("it is checked");
    assert_eq!(sound, "ok");
}
