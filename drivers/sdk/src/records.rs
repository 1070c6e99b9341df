//! Records in SQL, as most drivers store them: one row for each image, and the policy in an ORDER BY.

use crate::sql::{self, Statement, Value};
use crate::types::{CachedImage, Error};
use crate::{
    CacheSize, ConfigurationError, Eviction, Hit, ImageHits, Victim, checksum_from_hex,
    error_words, hits_by_image, integer, statement, unsigned,
};
use std::collections::HashSet;

/// Ids in one DELETE, well within the limit on the parameters of a statement.
const IDS_PER_DELETE: usize = 500;

/// Rows in one page: well within the host's limits on rows and bytes.
const ROWS_PER_PAGE: u32 = 4000;

/// Rows in the first page of victims: most evictions need only a few.
const FIRST_VICTIMS: u32 = 64;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS images (image_id TEXT NOT NULL PRIMARY KEY, \
    size INTEGER NOT NULL, hits INTEGER NOT NULL, last_accessed INTEGER NOT NULL, \
    last_modified INTEGER NOT NULL, checksum TEXT) WITHOUT ROWID";

const INSERT: &str = "INSERT OR REPLACE INTO images \
    (image_id, size, hits, last_accessed, last_modified, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const COUNT: &str = "UPDATE images SET hits = hits + ?2, last_accessed = max(last_accessed, ?3) \
    WHERE image_id = ?1";

const ONE: &str = "SELECT image_id, size, hits, last_accessed, last_modified, checksum \
    FROM images WHERE image_id = ?1";

const PAGE: &str = "SELECT image_id, size, hits, last_accessed, last_modified, checksum \
    FROM images WHERE image_id > ?1 ORDER BY image_id LIMIT ?2";

/// The sum is a double: exact up to 2^53 bytes, without overflow.
const SIZE: &str = "SELECT count(*), total(size) FROM images";

/// The records of a driver in its own database: the table `images` with the columns `image_id`, `size` (bytes), `hits`,
/// `last_accessed`, `last_modified` (microseconds since 1970) and `checksum`. Needs the grant `sql`.
///
/// Each function of [`Driver`](crate::Driver) that uses records has a counterpart here, so that a driver contains only its
/// policy; the [crate's documentation](crate) has an example. A driver that needs more data creates its own tables in addition, or adds
/// columns to this one, which `victims` can then sort by:
/// `ALTER TABLE images ADD COLUMN previous INTEGER NOT NULL DEFAULT 0`, in one `execute_all` with `PRAGMA user_version = 1`, after it
/// read that version as 0. If several processes do that at the same time, one of them gets an error: it reads the version again. A
/// record that is written again has the defaults in such columns. For caches of many thousand images, create an index for the order of
/// `victims`.
pub struct SqlRecords {
    _opened: (),
}

impl SqlRecords {
    /// Creates the table if it does not exist. For `configure`.
    pub fn open() -> Result<SqlRecords, ConfigurationError> {
        let made = sql::execute(&statement(TABLE, Vec::new()));
        let fault = |error| {
            ConfigurationError::Other(format!("making the table images: {}", error_words(&error)))
        };
        made.map(|_| SqlRecords { _opened: () }).map_err(fault)
    }

    /// For `record_cached`: writes a record and replaces an existing one.
    pub fn record(&mut self, image: CachedImage) -> Result<(), Error> {
        sql::execute(&insert(image)).map(drop)
    }

    /// For `record_hits`: counts all hits or none; ignores images without a record.
    pub fn count(&mut self, hits: Vec<Hit>) -> Result<(), Error> {
        run(&count(hits))
    }

    /// For `forget`: removes records.
    pub fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        run(&delete(&image_ids))
    }

    /// For `cached_image`: the record of one image.
    pub fn find(&mut self, image_id: String) -> Result<Option<CachedImage>, Error> {
        let rows = sql::query(&statement(ONE, vec![Value::Text(image_id)]))?.rows;
        Ok(rows.into_iter().find_map(from_row))
    }

    /// For `cached_images`: a page of records in the order of their ids.
    pub fn page(&mut self, after: Option<String>, limit: u32) -> Result<Vec<CachedImage>, Error> {
        let limit = limit.min(ROWS_PER_PAGE);
        let parameters = vec![Value::Text(after.unwrap_or_default()), integer(limit.into())];
        let rows = sql::query(&statement(PAGE, parameters))?.rows;
        Ok(rows.into_iter().filter_map(from_row).collect())
    }

    /// For `cache_size`: the number of records and the sum of their bytes.
    pub fn size(&mut self) -> Result<CacheSize, Error> {
        let rows = sql::query(&statement(SIZE, Vec::new()))?.rows;
        let column = |n: usize| rows.first().and_then(|row| row.get(n)).map_or(0, unsigned);
        Ok(CacheSize { images: column(0), bytes: column(1) })
    }

    /// For `select_victims`: images in the order of `order`, the text of an ORDER BY over the columns of the table, until their
    /// sizes reach the needed bytes or there are enough of them; no image that is excluded. End the text with `image_id`, so that
    /// the order is always unique:
    ///
    /// | policy | `order` |
    /// |---|---|
    /// | least recently used | `last_accessed, image_id` |
    /// | least often used | `hits, last_accessed, image_id` |
    /// | largest | `size DESC, image_id` |
    /// | most bytes for the fewest hits | `(hits + 1.0) / (size + 1), image_id` |
    pub fn victims(&mut self, request: Eviction, order: &str) -> Result<Vec<Victim>, Error> {
        let text = format!("SELECT image_id, size FROM images ORDER BY {order} LIMIT ?1 OFFSET ?2");
        victims_of(request, &text)
    }

    /// As [`victims`](Self::victims), in the order of a query with the columns `image_id` and `size`: for an order in a table of your
    /// own. The query has no LIMIT, and an index gives its order, so that a page does not sort all images.
    pub fn victims_of(&mut self, request: Eviction, query: &str) -> Result<Vec<Victim>, Error> {
        victims_of(request, &format!("{query} LIMIT ?1 OFFSET ?2"))
    }
}

/// The victims in the order of a query with a limit and an offset.
fn victims_of(request: Eviction, text: &str) -> Result<Vec<Victim>, Error> {
    select(request, |limit, offset| {
        let parameters = vec![integer(limit.into()), integer(offset)];
        Ok(sql::query(&statement(text, parameters))?.rows)
    })
}

/// Executes one statement directly, and several statements in one transaction.
fn run(statements: &[Statement]) -> Result<(), Error> {
    match statements {
        [] => Ok(()),
        [one] => sql::execute(one).map(drop),
        several => sql::execute_all(several).map(drop),
    }
}

fn insert(image: CachedImage) -> Statement {
    let checksum = image.checksum.map_or(Value::Null, |checksum| Value::Text(checksum.value));
    let parameters = vec![
        Value::Text(image.image_id),
        integer(image.size),
        integer(image.hits),
        integer(image.last_accessed),
        integer(image.last_modified),
        checksum,
    ];
    statement(INSERT, parameters)
}

/// A statement for each image.
fn count(hits: Vec<Hit>) -> Vec<Statement> {
    let update = |(image_id, hits): (String, ImageHits)| {
        statement(COUNT, vec![Value::Text(image_id), integer(hits.count), integer(hits.latest)])
    };
    hits_by_image(hits).into_iter().map(update).collect()
}

/// One statement for each 500 ids.
fn delete(image_ids: &[String]) -> Vec<Statement> {
    let some = |ids: &[String]| {
        let marks = ", ?".repeat(ids.len() - 1);
        let text = format!("DELETE FROM images WHERE image_id IN (?{marks})");
        statement(&text, ids.iter().cloned().map(Value::Text).collect())
    };
    image_ids.chunks(IDS_PER_DELETE).map(some).collect()
}

/// The rows to read first for a request of victims: as many as it can need if it is for few victims, and never more than `most`. A
/// row that is not needed costs about as much as the rest of a query.
pub fn rows_for(request: &Eviction, most: u32) -> u32 {
    let excluded = u32::try_from(request.exclude.len()).unwrap_or(u32::MAX);
    request.limit.saturating_add(excluded).clamp(1, most)
}

/// Reads rows of id and size, in eviction order, as far as necessary.
fn select(
    request: Eviction,
    mut query: impl FnMut(u32, u64) -> Result<Vec<Vec<Value>>, Error>,
) -> Result<Vec<Victim>, Error> {
    let first_page = rows_for(&request, FIRST_VICTIMS);
    let exclude: HashSet<String> = request.exclude.into_iter().collect();
    let (mut victims, mut bytes) = (Vec::new(), 0u64);
    let (mut limit, mut offset) = (first_page, 0);
    let enough = |victims: &Vec<Victim>, bytes| {
        bytes >= request.bytes_needed || victims.len() >= request.limit as usize
    };
    while !enough(&victims, bytes) {
        let rows = query(limit, offset)?;
        let is_last = rows.len() < limit as usize;
        offset += rows.len() as u64;
        for row in rows {
            let [Value::Text(image_id), size] = row.as_slice() else { continue };
            if !enough(&victims, bytes) && !exclude.contains(image_id) {
                let size = unsigned(size);
                bytes = bytes.saturating_add(size);
                victims.push(Victim { image_id: image_id.clone(), size });
            }
        }
        if is_last {
            break;
        }
        limit = ROWS_PER_PAGE;
    }
    Ok(victims)
}

fn from_row(row: Vec<Value>) -> Option<CachedImage> {
    let [id, size, hits, last_accessed, last_modified, checksum] =
        <[Value; 6]>::try_from(row).ok()?;
    let Value::Text(image_id) = id else { return None };
    let checksum = match checksum {
        Value::Text(hex) => checksum_from_hex(&hex),
        _ => None,
    };
    Some(CachedImage {
        image_id,
        size: unsigned(&size),
        hits: unsigned(&hits),
        last_accessed: unsigned(&last_accessed),
        last_modified: unsigned(&last_modified),
        checksum,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str) -> Value {
        Value::Text(id.into())
    }

    #[test]
    fn hits_of_one_image_are_one_statement_with_the_latest_time() {
        let hit = |id: &str, at| Hit { image_id: id.into(), at };
        let statements = count(vec![hit("b", 2), hit("a", 3), hit("b", 1)]);
        let parameters: Vec<_> = statements.into_iter().map(|s| s.parameters).collect();
        let a = vec![text("a"), Value::Integer(1), Value::Integer(3)];
        assert_eq!(parameters, [a, vec![text("b"), Value::Integer(2), Value::Integer(2)]]);
        assert!(count(Vec::new()).is_empty());
    }

    #[test]
    fn many_records_are_removed_with_few_statements() {
        let ids: Vec<_> = (0..1001).map(|n| n.to_string()).collect();
        let statements = delete(&ids);
        let counts: Vec<_> = statements.iter().map(|s| s.parameters.len()).collect();
        assert_eq!(counts, [500, 500, 1]);
        assert_eq!(statements[0].sql.matches('?').count(), 500);
        assert!(delete(&[]).is_empty());
    }

    /// Rows of 10 bytes each, in the order of their numbers.
    fn victims(rows: u64, bytes_needed: u64, exclude: &[&str], limit: u32) -> Vec<String> {
        let exclude = exclude.iter().map(|id| id.to_string()).collect();
        let request = Eviction { now: 0, bytes_needed, exclude, limit };
        let table = |limit: u32, offset: u64| {
            let some = (offset..rows).take(limit as usize);
            Ok(some.map(|n| vec![text(&format!("{n:05}")), Value::Integer(10)]).collect())
        };
        let victims = select(request, table).expect("no query fails");
        victims.into_iter().map(|victim| victim.image_id).collect()
    }

    #[test]
    fn victims_come_in_order_until_there_are_enough() {
        assert_eq!(victims(9, 0, &[], 9), [""; 0]);
        assert_eq!(victims(9, 11, &[], 9), ["00000", "00001"]);
        assert_eq!(victims(9, 11, &["00000"], 9), ["00001", "00002"]);
        assert_eq!(victims(9, 1000, &[], 3), ["00000", "00001", "00002"]);
        assert_eq!(victims(64, u64::MAX, &[], 100).len(), 64);
        let all = victims(10_000, u64::MAX, &["00070"], u32::MAX);
        assert_eq!((all.len(), all[70].as_str()), (9999, "00071"));
    }

    #[test]
    fn a_row_is_the_record_that_was_written() {
        let image = CachedImage {
            image_id: "a".into(),
            size: 1 << 53,
            hits: 3,
            last_accessed: 5,
            last_modified: 4,
            checksum: checksum_from_hex(&"ab".repeat(32)),
        };
        assert_eq!(from_row(insert(image.clone()).parameters), Some(image));
    }
}
