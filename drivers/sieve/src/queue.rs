//! The queue and the hand, as tables that follow the records.

use image_cache_driver_sdk::prelude::*;

/// The places grow, so an image that was cached later has a larger one.
const QUEUE: &str = "CREATE TABLE IF NOT EXISTS queue (\
    place INTEGER PRIMARY KEY AUTOINCREMENT, image_id TEXT NOT NULL UNIQUE, used INTEGER NOT NULL DEFAULT 0)";

const BY_USE: &str = "CREATE INDEX IF NOT EXISTS queue_by_use ON queue (used, place)";

/// One row: the place at which the hand is, 0 before the oldest image. While an image leaves, it also has the places between which
/// the hand moves, and whether it goes all the way round.
const HAND: &str = "CREATE TABLE IF NOT EXISTS hand (\
    one INTEGER PRIMARY KEY CHECK (one = 1), place INTEGER NOT NULL, \
    passes_from INTEGER, passes_to INTEGER, passes_all INTEGER)";

const FIRST_PLACE: &str = "INSERT OR IGNORE INTO hand (one, place) VALUES (1, 0)";

/// A record that is written is at the end of the queue, even if it replaces another one.
const ENTER: &str = "CREATE TRIGGER IF NOT EXISTS enter AFTER INSERT ON images BEGIN \
    INSERT OR REPLACE INTO queue (image_id) VALUES (new.image_id); END";

const USE: &str = "CREATE TRIGGER IF NOT EXISTS note_use AFTER UPDATE OF hits ON images BEGIN \
    UPDATE queue SET used = 1 WHERE image_id = new.image_id AND used = 0; END";

/// The next victim: the first image from the hand on, and then from the oldest on, that was not used; if all were used, the
/// first from the hand on.
const NEXT: &str = "CREATE VIEW IF NOT EXISTS next_victim (place) AS SELECT coalesce(\
    (SELECT place FROM queue WHERE used = 0 AND place >= (SELECT place FROM hand) ORDER BY place LIMIT 1), \
    (SELECT place FROM queue WHERE used = 0 ORDER BY place LIMIT 1), \
    (SELECT place FROM queue WHERE place >= (SELECT place FROM hand) ORDER BY place LIMIT 1), \
    (SELECT min(place) FROM queue))";

/// If the image that is forgotten is the next victim, the hand comes to it and stops at the next newer one: the images that it
/// passes are not used any more. If it is another image (an operator deleted it), the hand stays.
const LEAVE: &str = "CREATE TRIGGER IF NOT EXISTS leave BEFORE DELETE ON images BEGIN \
    UPDATE hand SET passes_from = hand.place, passes_to = leaving.place, passes_all = leaving.used \
        FROM (SELECT place, used FROM queue WHERE image_id = old.image_id) AS leaving \
        WHERE leaving.place = (SELECT place FROM next_victim); \
    UPDATE queue SET used = 0 FROM hand WHERE used = 1 AND passes_all = 1; \
    UPDATE queue SET used = 0 FROM hand WHERE used = 1 AND passes_from <= passes_to \
        AND queue.place BETWEEN passes_from AND passes_to; \
    UPDATE queue SET used = 0 FROM hand WHERE used = 1 AND passes_from > passes_to AND queue.place >= passes_from; \
    UPDATE queue SET used = 0 FROM hand WHERE used = 1 AND passes_from > passes_to AND queue.place <= passes_to; \
    UPDATE hand SET passes_from = NULL, passes_to = NULL, passes_all = NULL, \
        place = coalesce((SELECT min(place) FROM queue WHERE queue.place > passes_to), 0) \
        WHERE passes_to IS NOT NULL; \
    DELETE FROM queue WHERE image_id = old.image_id; END";

/// Records of a driver that had this name before, in the order of their times.
const ADOPT: &str = "INSERT OR IGNORE INTO queue (image_id) SELECT image_id FROM images \
    WHERE image_id NOT IN (SELECT image_id FROM queue) ORDER BY last_modified, image_id";

/// Creates what is missing. If nothing is missing, it changes nothing.
pub fn prepare() -> Result<(), Error> {
    for text in [QUEUE, BY_USE, HAND, FIRST_PLACE, NEXT, ENTER, USE, LEAVE, ADOPT] {
        sql::execute(&statement(text, Vec::new()))?;
    }
    Ok(())
}
