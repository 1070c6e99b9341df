//! The records: two tables, and all statements on them. The text of a statement does not change between calls, so that the host
//! can reuse its prepared statements.

use crate::policy::{Goal, MOVE_CLOCK, note_removed};
use image_cache_driver_sdk::prelude::*;
use image_cache_driver_sdk::{ImageHits, checksum_from_hex, hits_by_image};

/// The number of ids in one statement: SQLite allows 1,000 parameters.
const IDS_AT_ONCE: usize = 500;

/// Records in one page: well within the host's limits on rows and bytes.
const PAGE: u32 = 1000;

/// The maximum of counts and sizes: additions cannot overflow, and no file is larger.
const MOST: u64 = 1 << 62;

const COLUMNS: &str = "id, size, hits, accessed, modified, checksum";

const IMAGES: &str = "CREATE TABLE IF NOT EXISTS images (\
    id TEXT PRIMARY KEY, size INTEGER NOT NULL, hits INTEGER NOT NULL, accessed INTEGER NOT NULL, modified INTEGER NOT NULL, \
    checksum TEXT, priority REAL NOT NULL)";

/// The eviction order: of images with the same priority, the least recently accessed first.
const BY_PRIORITY: &str =
    "CREATE INDEX IF NOT EXISTS images_by_priority ON images (priority, accessed, id)";

/// One row: the clock, the highest priority removed since the clock was advanced, and the goal of the priorities.
const POLICY: &str = "CREATE TABLE IF NOT EXISTS policy (\
    one INTEGER PRIMARY KEY CHECK (one = 1), clock REAL NOT NULL, removed REAL NOT NULL, goal TEXT NOT NULL)";

/// Creates missing tables. If nothing is missing, it only reads, and waits for no other process.
pub fn prepare(goal: Goal) -> Result<(), Error> {
    for table in [IMAGES, BY_PRIORITY, POLICY] {
        sql::execute(&statement(table, vec![]))?;
    }
    let rows = sql::query(&statement("SELECT goal FROM policy", vec![]))?.rows;
    if matches!(rows.first().map(Vec::as_slice), Some([Value::Text(name)]) if name == goal.unit()) {
        return Ok(());
    }
    sql::execute_all(&recompute_priorities(goal)).map(drop)
}

/// Sets the clock to 0, and computes the priority of every image from its hits for this goal.
fn recompute_priorities(goal: Goal) -> Vec<Statement> {
    let reset = "INSERT OR REPLACE INTO policy (one, clock, removed, goal) VALUES (1, 0, 0, ?1)";
    let update = format!("UPDATE images SET priority = {}", goal.priority("hits", "size"));
    vec![statement(reset, vec![Value::Text(goal.unit().into())]), statement(&update, vec![])]
}

/// Writes a record and replaces an existing one.
pub fn insert(image: CachedImage, goal: Goal) -> Statement {
    let priority = goal.priority("?3", "?2");
    let text = format!(
        "INSERT OR REPLACE INTO images ({COLUMNS}, priority) VALUES (?1, ?2, ?3, ?4, ?5, ?6, {priority})"
    );
    let row = vec![
        Value::Text(image.image_id),
        capped(image.size),
        capped(image.hits),
        capped(image.last_accessed),
        capped(image.last_modified),
        image.checksum.map_or(Value::Null, |checksum| Value::Text(checksum.value)),
    ];
    statement(&text, row)
}

/// Counts hits, with one statement for each image. Execute the statements in one transaction, so that either all hits are counted
/// or none.
pub fn count(hits: Vec<Hit>, goal: Goal) -> Vec<Statement> {
    let priority = goal.priority("hits + ?2", "size");
    let text = format!(
        "UPDATE images SET hits = hits + ?2, accessed = max(accessed, ?3), priority = {priority} WHERE id = ?1"
    );
    let update = |(image_id, hits): (String, ImageHits)| {
        statement(&text, vec![Value::Text(image_id), capped(hits.count), capped(hits.latest)])
    };
    hits_by_image(hits).into_iter().map(update).collect()
}

/// Removes records and advances the clock. Execute the statements in one transaction. A repetition changes nothing, because the
/// removed images have no priority any more.
pub fn remove(image_ids: &[String]) -> Vec<Statement> {
    let of_chunks = |text: &dyn Fn(&str) -> String| -> Vec<Statement> {
        let chunk = |ids: &[String]| {
            let list = vec!["?"; ids.len()].join(", ");
            statement(&text(&list), ids.iter().cloned().map(Value::Text).collect())
        };
        image_ids.chunks(IDS_AT_ONCE).map(chunk).collect()
    };
    let mut statements = of_chunks(&note_removed);
    statements.extend(of_chunks(&|ids| format!("DELETE FROM images WHERE id IN ({ids})")));
    if !statements.is_empty() {
        statements.push(statement(MOVE_CLOCK, vec![]));
    }
    statements
}

/// The row of one image.
pub fn select_one(image_id: String) -> Statement {
    let text = format!("SELECT {COLUMNS} FROM images WHERE id = ?1");
    statement(&text, vec![Value::Text(image_id)])
}

/// Rows after an id, or from the beginning, in the order of the ids' bytes, which is SQLite's default order.
pub fn select_page(after: Option<String>, limit: u32) -> Statement {
    let text = format!("SELECT {COLUMNS} FROM images WHERE id > ?1 ORDER BY id LIMIT ?2");
    statement(&text, vec![Value::Text(after.unwrap_or_default()), integer(limit.min(PAGE).into())])
}

/// One row: the number of images and the sum of their bytes.
pub fn select_size() -> Statement {
    // As a double, which is exact up to 8 PiB: SQLite's `sum` of integers fails if it overflows.
    statement("SELECT count(*), total(size) FROM images", vec![])
}

/// The totals from the result of [`select_size`].
pub fn size(rows: &[Vec<Value>]) -> CacheSize {
    let column = |n: usize| rows.first().and_then(|row| row.get(n)).map_or(0, unsigned);
    CacheSize { images: column(0), bytes: column(1) }
}

/// The record in a row with the six columns.
pub fn record(row: Vec<Value>) -> Option<CachedImage> {
    let [Value::Text(image_id), size, hits, accessed, modified, checksum] =
        <[Value; 6]>::try_from(row).ok()?
    else {
        return None;
    };
    let checksum = match checksum {
        Value::Text(hex) => checksum_from_hex(&hex),
        _ => None,
    };
    Some(CachedImage {
        image_id,
        size: unsigned(&size),
        hits: unsigned(&hits),
        last_accessed: unsigned(&accessed),
        last_modified: unsigned(&modified),
        checksum,
    })
}

/// A count or size as a parameter.
fn capped(n: u64) -> Value {
    Value::Integer(i64::try_from(n.min(MOST)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_records_are_removed_with_few_statements_and_one_clock_update() {
        let ids: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
        let statements = remove(&ids);
        let parameters: Vec<_> = statements.iter().map(|s| s.parameters.len()).collect();
        assert_eq!(parameters, [500, 500, 1, 500, 500, 1, 0]);
        assert!(statements[..3].iter().all(|s| s.sql.starts_with("UPDATE policy")));
        assert!(statements[3..6].iter().all(|s| s.sql.starts_with("DELETE")));
        assert!(remove(&[]).is_empty());
    }

    #[test]
    fn hits_of_one_image_are_one_statement() {
        let hit = |image_id: &str, at| Hit { image_id: image_id.into(), at };
        let statements = count(vec![hit("b", 20), hit("a", 30), hit("b", 10)], Goal::Hits);
        let text = |id: &str| Value::Text(id.into());
        let parameters: Vec<_> = statements.into_iter().map(|s| s.parameters).collect();
        let a = vec![text("a"), Value::Integer(1), Value::Integer(30)];
        assert_eq!(parameters, [a, vec![text("b"), Value::Integer(2), Value::Integer(20)]]);
    }
}
