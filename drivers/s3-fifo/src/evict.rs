//! An eviction in the tables. The images that a queue passes move first, in transactions of bounded size: each leaves queues that
//! the policy could have, so that an interruption costs only a little accuracy.

use crate::state::Shares;
use crate::tables::{self, first_integer, number, rows, statement};
use crate::walk::{Entry, USES_TO_MOVE, Walk};
use image_cache_driver_sdk::prelude::*;

/// Images that a transaction moves, at most: of a million images, this changes about 4 MiB of the database, a quarter of the host's
/// limit.
const MOVED_AT_ONCE: i64 = 1000;

/// An image counts as evicted if it is among so many that are next: some may stay because they are being read.
const NEXT: usize = 8;

/// Rows of the ghost queue in one page.
const GHOST_PAGE: i64 = 200;

/// Moves the queues as far as the eviction of this image does. An image that is not about to be evicted was deleted by an
/// operator, or replaced: then nothing moves, and it is not remembered.
pub fn move_queues(image_id: &str, shares: &Shares) -> Result<(), Error> {
    let sizes = tables::sizes()?;
    let mut walk = Walk::new(sizes, *shares, tables::page);
    let mut next = Vec::new();
    while next.len() < NEXT {
        let Some(entry) = walk.next()? else { break };
        let is_it = entry.image_id == image_id;
        next.push(entry);
        if is_it {
            break;
        }
    }
    let Some(evicted) = next.last().filter(|last| last.image_id == image_id) else { return Ok(()) };
    let is_remembered = is_unused_in_small(image_id)? && evicted.size <= shares.ghost;
    if next.len() == 1 {
        pass(sizes.begins_with_main(shares))?;
    }
    let mut statements =
        vec![statement("UPDATE state SET has_evicted = 1 WHERE has_evicted = 0", Vec::new())];
    if is_remembered {
        statements.extend(remember(evicted, sizes.ghost, shares)?);
    }
    sql::execute_all(&statements).map(drop)
}

/// Whether the image leaves the small queue by an eviction: one that was used twice moves on first.
fn is_unused_in_small(image_id: &str) -> Result<bool, Error> {
    const FIND: &str = "SELECT 1 FROM queue WHERE image_id = ?1 AND is_main = 0 AND uses < ?2";
    let parameters = vec![Value::Text(image_id.into()), Value::Integer(USES_TO_MOVE.into())];
    Ok(first_integer(FIND, parameters)?.is_some())
}

/// Moves the images that the queues pass before they evict one.
fn pass(begins_with_main: bool) -> Result<(), Error> {
    const UNUSED_SMALL: &str = "SELECT place FROM queue INDEXED BY queue_by_place \
        WHERE is_main = 0 AND uses < ?1 ORDER BY place LIMIT 1";
    const UNUSED_MAIN: &str = "SELECT place FROM queue INDEXED BY queue_by_use \
        WHERE is_main = 1 AND uses = 0 ORDER BY place LIMIT 1";
    // If the main queue is empty, the small one is next although the main one is asked first.
    if !begins_with_main || first_of(true)?.is_none() {
        let stop = first_integer(UNUSED_SMALL, vec![Value::Integer(USES_TO_MOVE.into())])?;
        while move_some(false, stop)? {}
        if stop.is_some() {
            return Ok(());
        }
    }
    while move_some(true, first_integer(UNUSED_MAIN, Vec::new())?)? {}
    Ok(())
}

/// The place of the first image of a queue.
fn first_of(is_main: bool) -> Result<Option<i64>, Error> {
    const FIRST: &str = "SELECT place FROM queue INDEXED BY queue_by_place WHERE is_main = ?1 \
        ORDER BY place LIMIT 1";
    first_integer(FIRST, vec![Value::Integer(is_main.into())])
}

/// Moves images from the beginning of a queue to the end of the main one, up to the place `stop` or the end of the queue, but at
/// most [`MOVED_AT_ONCE`]. Returns whether there were any.
fn move_some(is_main: bool, stop: Option<i64>) -> Result<bool, Error> {
    const BEYOND: &str = "SELECT place FROM queue INDEXED BY queue_by_place WHERE is_main = ?1 \
        ORDER BY place LIMIT 1 OFFSET ?2";
    const MOVE: &str = "UPDATE queue SET is_main = 1, uses = iif(is_main, uses - 1, 0), place = place + ?3 \
        WHERE is_main = ?1 AND place < ?2";
    let queue = || Value::Integer(is_main.into());
    let Some(first) = first_of(is_main)? else { return Ok(false) };
    let last = first_integer("SELECT max(place) FROM queue", Vec::new())?.unwrap_or(first);
    let beyond = first_integer(BEYOND, vec![queue(), Value::Integer(MOVED_AT_ONCE)])?;
    let stop = stop.unwrap_or(i64::MAX).min(beyond.unwrap_or(i64::MAX));
    if stop <= first {
        return Ok(false);
    }
    let offset = Value::Integer(last.saturating_sub(first).saturating_add(1));
    sql::execute(&statement(MOVE, vec![queue(), Value::Integer(stop), offset])).map(|_| true)
}

/// Adds the image to the ghost queue, from which the oldest leave until it has room.
fn remember(evicted: &Entry, held: u64, shares: &Shares) -> Result<Vec<Statement>, Error> {
    const FORGET_OLDEST: &str = "DELETE FROM ghost WHERE is_expected = 0 AND place <= ?1";
    const REMOVE: &str = "DELETE FROM ghost WHERE image_id = ?1";
    const ADD: &str = "INSERT INTO ghost (image_id, size) VALUES (?1, ?2)";
    let id = || Value::Text(evicted.image_id.clone());
    let excess = held.saturating_add(evicted.size).saturating_sub(shares.ghost);
    let mut statements = Vec::new();
    if let Some(place) = oldest_until(excess)? {
        statements.push(statement(FORGET_OLDEST, vec![Value::Integer(place)]));
    }
    statements.push(statement(REMOVE, vec![id()]));
    statements.push(statement(ADD, vec![id(), number(evicted.size)]));
    Ok(statements)
}

/// The place of the last of the oldest ghosts whose sizes reach `bytes` together; `None` for 0 bytes.
fn oldest_until(bytes: u64) -> Result<Option<i64>, Error> {
    const OLDEST: &str = "SELECT place, size FROM ghost WHERE is_expected = 0 AND place > ?1 \
        ORDER BY place LIMIT ?2";
    let (mut last, mut freed) = (None, 0u64);
    while freed < bytes {
        let after = Value::Integer(last.unwrap_or(i64::MIN));
        let page = rows(OLDEST, vec![after, Value::Integer(GHOST_PAGE)])?;
        for row in &page {
            let [Value::Integer(place), Value::Integer(size)] = row.as_slice() else { continue };
            if freed < bytes {
                freed = freed.saturating_add(u64::try_from(*size).unwrap_or(0));
                last = Some(*place);
            }
        }
        if page.len() < GHOST_PAGE as usize {
            break;
        }
    }
    Ok(last)
}
