//! An eviction in the tables. The images that a queue passes move first, in transactions of bounded size: each leaves queues that
//! the policy could have, so that an interruption costs only a little accuracy.

use crate::next::{self, Next, NextImage};
use crate::state::{Shares, Sizes};
use crate::tables::{self, first_integer, rows};
use crate::walk::{Entry, Walk};
use image_cache_driver_sdk::prelude::*;

/// Images that a transaction moves, at most: of a million images, this changes about 4 MiB of the database, a quarter of the host's
/// limit.
const MOVED_AT_ONCE: i64 = 1000;

/// Uses of an image in the main queue, at most: the trigger that counts them stops there.
const MAX_USES: usize = 3;

/// An image counts as evicted if it is among so many that are next: some may stay because they are being read.
const NEXT: usize = 8;

/// Rows of the ghost queue in the first page, and at most in a page: most images replace few in the ghost queue.
const FIRST_GHOST_PAGE: i64 = 4;
const GHOST_PAGE: i64 = 200;

/// Evicts an image: moves the queues as far as its eviction does, and removes its record. An image that is not about to be evicted
/// was deleted by an operator, or replaced: then nothing moves, and it is not remembered. `next` is what was found for the last
/// request of victims, if nothing changed since.
pub fn forget(image_id: &str, shares: &Shares, next: Option<Next>) -> Result<(), Error> {
    const FORGET: &str = "DELETE FROM images WHERE image_id = ?1";
    let next = next.map_or_else(|| next::find(shares), Ok)?;
    let Next { sizes, has_evicted, oldest_ghost, image } = next;
    let mut statements = Vec::new();
    let found = match image {
        Some(image) if image.entry.image_id == image_id => {
            statements.extend(pass_before(&image)?);
            Some((image.is_unused_in_small(), image.entry))
        }
        _ => search(image_id, sizes, shares)?,
    };
    if let Some((is_unused_in_small, evicted)) = found {
        if !has_evicted {
            statements.push(statement("UPDATE state SET has_evicted = 1", Vec::new()));
        }
        if is_unused_in_small && evicted.size <= shares.ghost {
            let excess = sizes.ghost.saturating_add(evicted.size).saturating_sub(shares.ghost);
            statements.extend(remember(&evicted, excess, oldest_ghost)?);
        }
    }
    statements.push(statement(FORGET, vec![Value::Text(image_id.into())]));
    sql::execute_all(&statements).map(drop)
}

/// Finds an image that is not certainly the next one among those that are next, and moves the queues if it is the first. Returns
/// also whether it is one that the ghost queue remembers.
fn search(image_id: &str, sizes: Sizes, shares: &Shares) -> Result<Option<(bool, Entry)>, Error> {
    let mut walk = Walk::new(sizes, *shares, tables::page);
    for place in 0..NEXT {
        let Some(entry) = walk.next()? else { break };
        if entry.image_id == image_id {
            let is_unused_in_small = is_unused_in_small(image_id)?;
            if place == 0 {
                pass(sizes.begins_with_main(shares))?;
            }
            return Ok(Some((is_unused_in_small, entry)));
        }
    }
    Ok(None)
}

/// Whether the image leaves the small queue by an eviction: one that was used twice moves on first.
fn is_unused_in_small(image_id: &str) -> Result<bool, Error> {
    const FIND: &str = "SELECT 1 FROM queue WHERE image_id = ?1 AND is_main = 0 AND moves = 0";
    Ok(first_integer(FIND, vec![Value::Text(image_id.into())])?.is_some())
}

/// Moves the images that are before the next one in its queue; returns the statement that does it if they are few.
fn pass_before(next: &NextImage) -> Result<Option<Statement>, Error> {
    let Some(first) = next.first_moving else { return Ok(None) };
    let stop = next.entry.place;
    // There are at most as many images as places.
    if stop.saturating_sub(first) <= MOVED_AT_ONCE {
        return Ok(Some(move_to_end(next.is_main, first, stop)));
    }
    move_until(next.is_main, Some(stop)).map(|()| None)
}

/// Moves the images of a queue from its `first` place up to `stop` behind the end of the main queue. The end is that at the time of
/// the statement, because other processes cache and evict images too.
fn move_to_end(is_main: bool, first: i64, stop: i64) -> Statement {
    const MOVE: &str = "UPDATE queue SET is_main = 1, uses = iif(is_main, max(uses - 1, 0), 0), \
        moves = is_main AND uses >= 2, \
        place = place + ?3 + (SELECT max(place) FROM queue) WHERE is_main = ?1 AND moves = 1 AND place < ?2";
    let behind_the_end = 1i64.saturating_sub(first);
    statement(MOVE, [i64::from(is_main), stop, behind_the_end].map(Value::Integer).to_vec())
}

/// Moves the images that the queues pass before they evict one.
fn pass(begins_with_main: bool) -> Result<(), Error> {
    /// The first image of a queue that is evicted.
    const EVICTED: &str = "SELECT place FROM queue INDEXED BY queue_by_place \
        WHERE is_main = ?1 AND moves = 0 ORDER BY place LIMIT 1";
    // If the main queue is empty, the small one is next although the main one is asked first.
    if !begins_with_main || is_empty(true)? {
        let stop = first_integer(EVICTED, vec![Value::Integer(0)])?;
        move_until(false, stop)?;
        if stop.is_some() {
            return Ok(());
        }
    }
    // After as many rounds as there can be uses, one is unused.
    for _ in 0..=MAX_USES {
        let stop = first_integer(EVICTED, vec![Value::Integer(1)])?;
        move_until(true, stop)?;
        if stop.is_some() {
            break;
        }
    }
    Ok(())
}

fn is_empty(is_main: bool) -> Result<bool, Error> {
    const ANY: &str = "SELECT 1 FROM queue INDEXED BY queue_by_place WHERE is_main = ?1 LIMIT 1";
    Ok(first_integer(ANY, vec![Value::Integer(is_main.into())])?.is_none())
}

/// Moves images from the beginning of a queue to the end of the main one, up to the place `stop` or the end of the queue.
fn move_until(is_main: bool, stop: Option<i64>) -> Result<(), Error> {
    const LAST: &str = "SELECT max(place) FROM queue";
    /// Where the queue begins, and where the images after the next [`MOVED_AT_ONCE`] begin.
    const PLACES: &str = "SELECT \
        (SELECT min(place) FROM queue INDEXED BY queue_by_place WHERE is_main = ?1 AND moves = 1), \
        (SELECT place FROM queue INDEXED BY queue_by_place WHERE is_main = ?1 AND moves = 1 AND place < ?2 \
            ORDER BY place LIMIT 1 OFFSET ?3)";
    let queue = || Value::Integer(is_main.into());
    // Images that go round are behind the present end.
    let stop = match stop {
        Some(stop) => stop,
        None => first_integer(LAST, Vec::new())?.map_or(0, |last| last.saturating_add(1)),
    };
    loop {
        let parameters = vec![queue(), Value::Integer(stop), Value::Integer(MOVED_AT_ONCE)];
        let row = rows(PLACES, parameters)?.pop().unwrap_or_default();
        let [Value::Integer(first), beyond] = row.as_slice() else {
            return Ok(());
        };
        let beyond = match beyond {
            Value::Integer(place) => Some(*place),
            _ => None,
        };
        let until = beyond.unwrap_or(stop);
        if until <= *first {
            return Ok(());
        }
        sql::execute(&move_to_end(is_main, *first, until))?;
        if beyond.is_none() {
            return Ok(());
        }
    }
}

/// Adds the image to the ghost queue, from which the oldest leave until it has room: `excess` bytes.
fn remember(
    evicted: &Entry,
    excess: u64,
    oldest: Option<(i64, u64)>,
) -> Result<Vec<Statement>, Error> {
    const FORGET_OLDEST: &str = "DELETE FROM ghost WHERE is_expected = 0 AND place <= ?1";
    // No cached image is in the ghost queue: a trigger removes it there.
    const ADD: &str = "INSERT OR IGNORE INTO ghost (image_id, size) VALUES (?1, ?2)";
    let mut statements = Vec::new();
    let last = match oldest {
        Some((place, size)) if (1..=size).contains(&excess) => Some(place),
        _ => oldest_until(excess)?,
    };
    if let Some(place) = last {
        statements.push(statement(FORGET_OLDEST, vec![Value::Integer(place)]));
    }
    let added = vec![Value::Text(evicted.image_id.clone()), integer(evicted.size)];
    statements.push(statement(ADD, added));
    Ok(statements)
}

/// The place of the last of the oldest ghosts whose sizes reach `bytes` together; `None` for 0 bytes.
fn oldest_until(bytes: u64) -> Result<Option<i64>, Error> {
    const OLDEST: &str = "SELECT place, size FROM ghost WHERE is_expected = 0 AND place > ?1 \
        ORDER BY place LIMIT ?2";
    let (mut last, mut freed, mut limit) = (None, 0u64, FIRST_GHOST_PAGE);
    while freed < bytes {
        let after = Value::Integer(last.unwrap_or(i64::MIN));
        let page = rows(OLDEST, vec![after, Value::Integer(limit)])?;
        for row in &page {
            let [Value::Integer(place), Value::Integer(size)] = row.as_slice() else { continue };
            if freed < bytes {
                freed = freed.saturating_add(u64::try_from(*size).unwrap_or(0));
                last = Some(*place);
            }
        }
        if page.len() < limit as usize {
            break;
        }
        limit = GHOST_PAGE;
    }
    Ok(last)
}
