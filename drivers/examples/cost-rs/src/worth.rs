//! What each cached image is worth: the time that its bytes save, and the clock of GreedyDual.
//!
//! The priority of an image is `clock + uses × microseconds per byte`, and the image with the lowest priority is evicted first. The
//! clock is the highest priority that was evicted. It is in SQL, because processes share it.

use image_cache_driver_sdk::prelude::*;

/// The order of eviction, for `SqlRecords::victims_of`.
pub const ORDER: &str = "SELECT image_id, size FROM worth ORDER BY priority, image_id";

/// Ids in one statement.
const IDS_AT_ONCE: usize = 500;

/// Removed images that are remembered.
const MOST_REMEMBERED: i64 = 10_000;

/// `micros_per_byte` is that of a fetch at 10 MB/s until the driver learns it: an event can be lost. The fetch counts as one use, and
/// a read as the part of the image that it read.
const WORTH: &str = "CREATE TABLE IF NOT EXISTS worth (image_id TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, \
    uses REAL NOT NULL, micros_per_byte REAL NOT NULL DEFAULT 0.1, priority REAL NOT NULL) WITHOUT ROWID";

const BY_PRIORITY: &str =
    "CREATE INDEX IF NOT EXISTS worth_by_priority ON worth (priority, image_id, size)";

const CLOCK: &str = "CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), priority REAL NOT NULL)";

const FIRST_CLOCK: &str = "INSERT OR IGNORE INTO clock (one, priority) VALUES (1, 0)";

/// Removed images with their last priorities. They are ghosts, which admission knows, if they were evicted.
const REMOVED: &str = "CREATE TABLE IF NOT EXISTS removed (place INTEGER PRIMARY KEY AUTOINCREMENT, \
    image_id TEXT NOT NULL UNIQUE, priority REAL NOT NULL, is_evicted INTEGER NOT NULL DEFAULT 0)";

const BEGIN: &str = "INSERT OR REPLACE INTO worth (image_id, size, uses, priority) \
    SELECT ?1, ?2, ?3 + 1.0, priority + (?3 + 1.0) * 0.1 FROM clock";

/// Of an image that is cached again.
const FORGET_REMOVED: &str = "DELETE FROM removed WHERE image_id = ?1";

const LEARN_COST: &str = "UPDATE worth SET micros_per_byte = ?2, \
    priority = (SELECT priority FROM clock) + uses * ?2 WHERE image_id = ?1";

const COUNT: &str = "UPDATE worth SET uses = uses + ?2 * 1.0 / max(1, size), \
    priority = (SELECT priority FROM clock) + (uses + ?2 * 1.0 / max(1, size)) * micros_per_byte WHERE image_id = ?1";

const MOVE_CLOCK: &str = "UPDATE clock SET priority = \
    max(priority, coalesce((SELECT priority FROM removed WHERE image_id = ?1), 0))";

const SET_EVICTED: &str = "UPDATE removed SET is_evicted = 1 WHERE image_id = ?1";

const WAS_EVICTED: &str = "SELECT 1 FROM removed WHERE image_id = ?1 AND is_evicted = 1";

const TRIM: &str = "DELETE FROM removed WHERE place <= (SELECT max(place) FROM removed) - ?1";

/// The tables.
pub struct Worth(());

impl Worth {
    /// Creates what is missing.
    pub fn open() -> Result<Worth, Error> {
        for text in [WORTH, BY_PRIORITY, CLOCK, FIRST_CLOCK, REMOVED] {
            sql::execute(&statement(text, vec![]))?;
        }
        Ok(Worth(()))
    }

    /// The image is cached.
    pub fn begin(&mut self, image_id: &str, size: u64, hits: u64) -> Result<(), Error> {
        let begin = statement(BEGIN, vec![text(image_id), integer(size), integer(hits)]);
        sql::execute_all(&[begin, statement(FORGET_REMOVED, vec![text(image_id)])]).map(drop)
    }

    /// How long the fetch of an image took, and how many bytes it read.
    pub fn learn_cost(&mut self, image_id: &str, micros: u64, bytes: u64) -> Result<(), Error> {
        let per_byte = Value::Real(micros as f64 / bytes.max(1) as f64);
        sql::execute(&statement(LEARN_COST, vec![text(image_id), per_byte])).map(drop)
    }

    /// Bytes of an image were read.
    pub fn count(&mut self, image_id: &str, bytes: u64) -> Result<(), Error> {
        sql::execute(&statement(COUNT, vec![text(image_id), integer(bytes)])).map(drop)
    }

    /// Images were removed: remembers their priorities, and returns the sum of their sizes.
    pub fn end(&mut self, image_ids: &[String]) -> Result<u64, Error> {
        let mut freed = 0u64;
        for ids in image_ids.chunks(IDS_AT_ONCE) {
            let which = format!("FROM worth WHERE image_id IN (?{})", ", ?".repeat(ids.len() - 1));
            let of_ids = |sql: String| statement(&sql, ids.iter().map(|id| text(id)).collect());
            let rows = sql::query(&of_ids(format!("SELECT total(size) {which}")))?.rows;
            let bytes = rows.first().and_then(|row| row.first()).map_or(0, unsigned);
            let remember = format!(
                "INSERT OR REPLACE INTO removed (image_id, priority) SELECT image_id, priority {which}"
            );
            sql::execute_all(&[
                of_ids(remember),
                of_ids(format!("DELETE {which}")),
                statement(TRIM, vec![Value::Integer(MOST_REMEMBERED)]),
            ])?;
            freed = freed.saturating_add(bytes);
        }
        Ok(freed)
    }

    /// Why an image was removed. Only an eviction moves the clock and leaves a ghost: what an operator deleted was not the least worth.
    pub fn learn_reason(&mut self, image_id: &str, is_evicted: bool) -> Result<(), Error> {
        let of_image = |sql| statement(sql, vec![text(image_id)]);
        if is_evicted {
            return sql::execute_all(&[of_image(MOVE_CLOCK), of_image(SET_EVICTED)]).map(drop);
        }
        sql::execute(&of_image(FORGET_REMOVED)).map(drop)
    }

    /// Whether the image was evicted, and not cached since.
    pub fn was_evicted(&mut self, image_id: &str) -> Result<bool, Error> {
        Ok(!sql::query(&statement(WAS_EVICTED, vec![text(image_id)]))?.rows.is_empty())
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}
