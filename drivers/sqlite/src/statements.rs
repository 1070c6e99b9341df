//! The statements on the records, and the interpretation of their results.
//!
//! The text of a statement does not change between calls, so that the host can reuse its prepared statements.

use crate::record::{COLUMNS, from_row, image_id, seconds};
use crate::select::Select;
use image_cache_driver_sdk::prelude::*;
use image_cache_driver_sdk::{ImageHits, hits_by_image};

/// Ids in one DELETE, well within SQLite's limit.
const IDS_PER_DELETE: usize = 500;

/// Rows in one page: well within the host's limits on rows and bytes.
const ROWS_PER_PAGE: u32 = 4000;

/// Only text ids: pages continue after the last text, and a valid image id is always text.
const PAGE: &str = "WHERE image_id > CAST(?1 AS TEXT) AND typeof(image_id) = 'text' \
    ORDER BY image_id LIMIT ?2";

const INSERT: &str = "INSERT OR REPLACE INTO cached_images \
    (image_id, last_accessed, last_modified, size, hits, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// The fast path. Glance may have written NULL, and SQLite accepts text in any column: neither must make the count fail.
const COUNT: &str = "UPDATE cached_images SET \
    hits = max(ifnull(CAST(hits AS INTEGER), 0), 0) + ?2, \
    last_accessed = max(ifnull(CAST(last_accessed AS REAL), 0.0), ?3) WHERE image_id = ?1";

/// The sum is a double: exact up to 2^53 bytes, without overflow, for any content.
const SIZE: &str =
    "SELECT count(*), total(max(ifnull(CAST(size AS INTEGER), 0), 0)) FROM cached_images";

/// Writes a record and replaces an existing one.
pub fn insert(image: CachedImage) -> Statement {
    let checksum = image.checksum.map_or(Value::Null, |checksum| Value::Text(checksum.value));
    let parameters = vec![
        Value::Text(image.image_id),
        seconds(image.last_accessed),
        seconds(image.last_modified),
        integer(image.size),
        integer(image.hits),
        checksum,
    ];
    statement(INSERT, parameters)
}

/// Counts hits, with one statement for each image.
pub fn count(hits: Vec<Hit>) -> Vec<Statement> {
    hits_by_image(hits).into_iter().map(|(image_id, hits)| count_of(image_id, hits)).collect()
}

/// Counts hits of one image.
pub fn count_of(image_id: String, hits: ImageHits) -> Statement {
    let parameters = vec![Value::Text(image_id), integer(hits.count), seconds(hits.latest)];
    statement(COUNT, parameters)
}

/// Removes records, with one statement for each 500 ids.
pub fn delete(image_ids: Vec<String>) -> Vec<Statement> {
    let chunks = image_ids.chunks(IDS_PER_DELETE);
    let delete = |ids: &[String]| {
        let marks = ", ?".repeat(ids.len() - 1);
        let text = format!("DELETE FROM cached_images WHERE image_id IN (?{marks})");
        statement(&text, ids.iter().cloned().map(Value::Text).collect())
    };
    chunks.map(delete).collect()
}

/// Removes a row whose id is not a valid image id, whatever the id contains.
pub fn delete_odd(image_id: Value) -> Statement {
    statement("DELETE FROM cached_images WHERE image_id = CAST(?1 AS TEXT)", vec![image_id])
}

/// The row of one image.
pub fn select_one(image_id: String) -> Select {
    let parameters = vec![Value::Text(image_id)];
    Select { columns: COLUMNS, rest: "WHERE image_id = ?1", parameters }
}

/// A page of records after an id. Rows without a valid image id are skipped; if a page has only such rows, the next page is read,
/// because only an empty page ends the list. `odd` receives the ids of these rows.
pub fn page(
    after: Option<String>,
    limit: u32,
    mut query: impl FnMut(Select) -> Result<Vec<Vec<Value>>, Error>,
    mut odd: impl FnMut(Value),
) -> Result<Vec<CachedImage>, Error> {
    let limit = limit.min(ROWS_PER_PAGE);
    let mut after = Value::Text(after.unwrap_or_default());
    loop {
        let parameters = vec![after, integer(limit.into())];
        let rows = query(Select { columns: COLUMNS, rest: PAGE, parameters })?;
        let Some(last) = rows.last().and_then(|row| row.first()) else { return Ok(Vec::new()) };
        after = last.clone();
        let (mut images, mut ids) = (Vec::new(), Vec::new());
        for row in rows {
            ids.extend(row.first().filter(|id| image_id((*id).clone()).is_none()).cloned());
            images.extend(from_row(row));
        }
        ids.into_iter().for_each(&mut odd);
        if !images.is_empty() {
            return Ok(images);
        }
    }
}

/// One row: the number of images and the sum of their bytes.
pub fn select_size() -> Statement {
    statement(SIZE, Vec::new())
}

/// The totals from the result of [`select_size`].
pub fn size_from_rows(rows: &[Vec<Value>]) -> CacheSize {
    let column = |n: usize| rows.first().and_then(|row| row.get(n)).map_or(0, unsigned);
    CacheSize { images: column(0), bytes: column(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(image_id: &str, at: u64) -> Hit {
        Hit { image_id: image_id.into(), at }
    }

    fn row(id: &str) -> Vec<Value> {
        vec![
            Value::Text(id.into()),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
        ]
    }

    #[test]
    fn hits_of_one_image_are_one_statement() {
        let statements = count(vec![hit("b", 2_000_000), hit("a", 3_000_000), hit("b", 1_000_000)]);
        let text = |id: &str| Value::Text(id.into());
        let parameters: Vec<_> = statements.iter().map(|s| s.parameters.clone()).collect();
        let a = vec![text("a"), Value::Integer(1), Value::Real(3.0)];
        assert_eq!(parameters, [a, vec![text("b"), Value::Integer(2), Value::Real(2.0)]]);
        assert!(statements.iter().all(|s| s.sql == COUNT));
    }

    #[test]
    fn many_records_are_removed_with_few_statements() {
        let statements = delete((0..1001).map(|n| n.to_string()).collect());
        let counts: Vec<_> = statements.iter().map(|s| s.parameters.len()).collect();
        assert_eq!(counts, [500, 500, 1]);
        assert_eq!(statements[2].sql, "DELETE FROM cached_images WHERE image_id IN (?)");
        assert_eq!(statements[0].sql.matches('?').count(), 500);
        assert!(delete(Vec::new()).is_empty());
    }

    #[test]
    fn a_page_of_only_invalid_rows_does_not_end_the_list() {
        let mut pages = vec![vec![row("b")], vec![row("../x"), row("/y")]];
        let (mut asked, mut odd) = (Vec::new(), Vec::new());
        let query = |select: Select| {
            asked.push(select.parameters[0].clone());
            Ok(pages.pop().unwrap_or_default())
        };
        let images = page(None, 2, query, |id| odd.push(id));
        let ids: Vec<_> = images.expect("no query fails").into_iter().map(|i| i.image_id).collect();
        assert_eq!(ids, ["b"]);
        assert_eq!(asked, [Value::Text(String::new()), Value::Text("/y".into())]);
        assert_eq!(odd, [Value::Text("../x".into()), Value::Text("/y".into())]);
    }

    #[test]
    fn the_size_is_taken_from_the_first_row() {
        let rows = vec![vec![Value::Integer(2), Value::Real(30.0)]];
        assert_eq!(size_from_rows(&rows), CacheSize { images: 2, bytes: 30 });
        assert_eq!(size_from_rows(&[]), CacheSize { images: 0, bytes: 0 });
    }
}
