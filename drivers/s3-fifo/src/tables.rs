//! The queues, as tables that follow the records: what changes a record changes the queues in the same transaction.

use crate::state::Shares;
use crate::walk::Entry;
use image_cache_driver_sdk::prelude::*;

/// Images that are expected back at the same time, at most: those whose fetch failed would stay otherwise.
const EXPECTED_BACK: i64 = 1000;

/// Both queues; a larger place is nearer to the end of its queue. `uses` counts up to 3. `moves` is whether the image moves instead
/// of being evicted when it is first: in the small queue after two uses, in the main queue after one. It is a column of its own, so
/// that most uses do not change the index.
const QUEUE: &str = "CREATE TABLE IF NOT EXISTS queue (\
    place INTEGER PRIMARY KEY, image_id TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, is_main INTEGER NOT NULL, \
    uses INTEGER NOT NULL DEFAULT 0, moves INTEGER NOT NULL DEFAULT 0)";

const BY_PLACE: &str = "CREATE INDEX IF NOT EXISTS queue_by_place ON queue (is_main, moves, place)";

const MOVES: &str = "CREATE TRIGGER IF NOT EXISTS note_moves AFTER UPDATE OF uses ON queue \
    WHEN new.moves <> (new.uses + new.is_main >= 2) BEGIN \
    UPDATE queue SET moves = 1 - new.moves WHERE place = new.place; END";

/// Evicted images. One that was asked for again is expected back: it stays until it is cached, and its size does not count.
const GHOST: &str = "CREATE TABLE IF NOT EXISTS ghost (\
    place INTEGER PRIMARY KEY, image_id TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, is_expected INTEGER NOT NULL DEFAULT 0)";

const GHOST_BY_PLACE: &str =
    "CREATE INDEX IF NOT EXISTS ghost_by_place ON ghost (is_expected, place)";

/// One row: the sizes of the queues in bytes, the share of the small one, and whether anything has been evicted yet.
const STATE: &str = "CREATE TABLE IF NOT EXISTS state (\
    one INTEGER PRIMARY KEY CHECK (one = 1), small_bytes INTEGER NOT NULL DEFAULT 0, main_bytes INTEGER NOT NULL DEFAULT 0, \
    ghost_bytes INTEGER NOT NULL DEFAULT 0, small_share INTEGER NOT NULL DEFAULT 0, has_evicted INTEGER NOT NULL DEFAULT 0)";

const FIRST_STATE: &str = "INSERT OR IGNORE INTO state (one) VALUES (1)";

/// Whether an image of a size enters the main queue.
macro_rules! enters_main {
    ($id:literal, $size:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM ghost WHERE image_id = ",
            $id,
            ") OR (SELECT ",
            $size,
            " > small_share OR (has_evicted = 0 AND small_bytes >= small_share) FROM state)"
        )
    };
}

/// A record that is written again keeps its place.
const ENTER: &str = concat!(
    "CREATE TRIGGER IF NOT EXISTS enter AFTER INSERT ON images BEGIN \
     UPDATE queue SET size = new.size WHERE image_id = new.image_id AND size <> new.size; \
     INSERT INTO queue (image_id, size, is_main) SELECT new.image_id, new.size, ",
    enters_main!("new.image_id", "new.size"),
    " WHERE NOT EXISTS (SELECT 1 FROM queue WHERE image_id = new.image_id); \
     DELETE FROM ghost WHERE image_id = new.image_id; END"
);

const USE: &str = "CREATE TRIGGER IF NOT EXISTS note_use AFTER UPDATE OF hits ON images BEGIN \
    UPDATE queue SET uses = min(3, uses + new.hits - old.hits) WHERE image_id = new.image_id AND uses < 3; END";

const LEAVE: &str = "CREATE TRIGGER IF NOT EXISTS leave AFTER DELETE ON images BEGIN \
    DELETE FROM queue WHERE image_id = old.image_id; END";

const ADD_SIZE: &str = "CREATE TRIGGER IF NOT EXISTS add_size AFTER INSERT ON queue BEGIN \
    UPDATE state SET small_bytes = small_bytes + iif(new.is_main, 0, new.size), \
        main_bytes = main_bytes + iif(new.is_main, new.size, 0); END";

const SUBTRACT_SIZE: &str = "CREATE TRIGGER IF NOT EXISTS subtract_size AFTER DELETE ON queue BEGIN \
    UPDATE state SET small_bytes = small_bytes - iif(old.is_main, 0, old.size), \
        main_bytes = main_bytes - iif(old.is_main, old.size, 0); END";

const CHANGE_SIZE: &str = "CREATE TRIGGER IF NOT EXISTS change_size AFTER UPDATE OF size, is_main ON queue \
    WHEN old.size <> new.size OR old.is_main <> new.is_main BEGIN UPDATE state SET \
        small_bytes = small_bytes - iif(old.is_main, 0, old.size) + iif(new.is_main, 0, new.size), \
        main_bytes = main_bytes - iif(old.is_main, old.size, 0) + iif(new.is_main, new.size, 0); END";

const ADD_GHOST: &str = "CREATE TRIGGER IF NOT EXISTS add_ghost AFTER INSERT ON ghost BEGIN \
    UPDATE state SET ghost_bytes = ghost_bytes + new.size; END";

const SUBTRACT_GHOST: &str = "CREATE TRIGGER IF NOT EXISTS subtract_ghost AFTER DELETE ON ghost \
    WHEN old.is_expected = 0 BEGIN UPDATE state SET ghost_bytes = ghost_bytes - old.size; END";

const EXPECT_GHOST: &str = "CREATE TRIGGER IF NOT EXISTS expect_ghost AFTER UPDATE OF is_expected ON ghost \
    WHEN old.is_expected = 0 AND new.is_expected = 1 BEGIN \
    UPDATE state SET ghost_bytes = ghost_bytes - old.size; END";

/// Records of a driver that had this name before, in the order of their times.
const ADOPT: &str = "INSERT OR IGNORE INTO queue (image_id, size, is_main) \
    SELECT image_id, size, 1 FROM images WHERE image_id NOT IN (SELECT image_id FROM queue) \
    ORDER BY last_modified, image_id";

const SHARE: &str = "UPDATE state SET small_share = ?1 WHERE small_share <> ?1";

/// Creates what is missing. If nothing is missing, it only reads, and waits for no other process.
pub fn prepare(shares: &Shares) -> Result<(), Error> {
    const READY: &str = "SELECT small_share FROM state WHERE NOT EXISTS \
        (SELECT 1 FROM images WHERE image_id NOT IN (SELECT image_id FROM queue))";
    // If a table or a column is missing, these fail.
    let has_queue = rows("SELECT moves FROM queue LIMIT 0", Vec::new()).is_ok();
    let ready = rows(READY, Vec::new()).unwrap_or_default();
    if has_queue && ready == [vec![integer(shares.small)]] {
        return Ok(());
    }
    if !has_queue {
        // The queue of an earlier version of this driver is made anew from the records.
        for text in ["DROP TABLE IF EXISTS queue", "DROP TABLE IF EXISTS state"] {
            sql::execute(&statement(text, Vec::new()))?;
        }
    }
    for text in [
        QUEUE,
        BY_PLACE,
        MOVES,
        GHOST,
        GHOST_BY_PLACE,
        STATE,
        FIRST_STATE,
        ENTER,
        USE,
        LEAVE,
        ADD_SIZE,
        SUBTRACT_SIZE,
        CHANGE_SIZE,
        ADD_GHOST,
        SUBTRACT_GHOST,
        EXPECT_GHOST,
        ADOPT,
    ] {
        sql::execute(&statement(text, Vec::new()))?;
    }
    sql::execute(&statement(SHARE, vec![integer(shares.small)])).map(drop)
}

/// A page of a queue, after a place.
pub fn page(is_main: bool, after: i64, limit: u32) -> Result<Vec<Entry>, Error> {
    const PAGE: &str = "SELECT place, image_id, size, uses FROM queue INDEXED BY queue_by_place \
            WHERE is_main = ?1 AND moves = 0 AND place > ?2 \
        UNION ALL SELECT place, image_id, size, uses FROM queue INDEXED BY queue_by_place \
            WHERE is_main = ?1 AND moves = 1 AND place > ?2 ORDER BY place LIMIT ?3";
    let parameters = [i64::from(is_main), after, limit.into()].map(Value::Integer).to_vec();
    Ok(rows(PAGE, parameters)?.into_iter().filter_map(entry).collect())
}

/// Whether the image was evicted recently. It is expected back then: the ghost queue keeps it.
pub fn expect_back(image_id: &str) -> Result<bool, Error> {
    const FIND: &str = "SELECT is_expected FROM ghost WHERE image_id = ?1";
    const EXPECT: &str = "UPDATE ghost SET is_expected = 1, place = (SELECT max(place) + 1 FROM ghost) \
        WHERE image_id = ?1 AND is_expected = 0";
    const TRIM: &str = "DELETE FROM ghost WHERE place IN (SELECT place FROM ghost WHERE is_expected = 1 \
        ORDER BY place DESC LIMIT -1 OFFSET ?1)";
    let id = || vec![Value::Text(image_id.into())];
    match rows(FIND, id())?.first().map(Vec::as_slice) {
        None => Ok(false),
        Some([Value::Integer(0)]) => {
            let most = vec![Value::Integer(EXPECTED_BACK)];
            sql::execute_all(&[statement(EXPECT, id()), statement(TRIM, most)]).map(|_| true)
        }
        Some(_) => Ok(true),
    }
}

pub fn rows(text: &str, parameters: Vec<Value>) -> Result<Vec<Vec<Value>>, Error> {
    Ok(sql::query(&statement(text, parameters))?.rows)
}

/// The first column of the first row, if it is an integer.
pub fn first_integer(text: &str, parameters: Vec<Value>) -> Result<Option<i64>, Error> {
    match rows(text, parameters)?.first().map(Vec::as_slice) {
        Some([Value::Integer(number)]) => Ok(Some(*number)),
        _ => Ok(None),
    }
}

/// The entry in a row of place, id, size and uses.
pub fn entry(row: Vec<Value>) -> Option<Entry> {
    let [Value::Integer(place), Value::Text(image_id), Value::Integer(size), Value::Integer(uses)] =
        <[Value; 4]>::try_from(row).ok()?
    else {
        return None;
    };
    Some(Entry {
        place,
        image_id,
        size: u64::try_from(size).unwrap_or(0),
        uses: u8::try_from(uses).unwrap_or(0),
    })
}
