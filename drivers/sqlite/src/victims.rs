//! Selects the least recently accessed images, page by page through the index.

use crate::record::image_id;
use crate::select::Select;
use image_cache_driver_sdk::prelude::*;
use image_cache_driver_sdk::rows_for;
use std::collections::HashSet;

/// Rows in the first page: most evictions need only a few.
const FIRST_PAGE: u32 = 64;

/// Rows in each further page.
const PAGE: u32 = 1000;

/// Rows without a numeric time: Glance writes NULL until the first hit. They are the oldest, and the paged query does not return
/// them.
const NEVER_ACCESSED: &str = "WHERE last_accessed IS NULL AND image_id > CAST(?2 AS TEXT) \
    AND typeof(image_id) = 'text' ORDER BY image_id LIMIT ?3";

/// All other rows, from the index: each page starts after the end of the previous page.
const ACCESSED: &str = "WHERE (last_accessed, image_id) > (?1, CAST(?2 AS TEXT)) \
    AND typeof(image_id) = 'text' ORDER BY last_accessed, image_id LIMIT ?3";

const COLUMNS: &[&str] = &["image_id", "size", "last_accessed"];

/// Returns the least recently accessed images, of equals the smallest id first, until their sizes reach the needed bytes.
pub fn select(
    request: Eviction,
    mut query: impl FnMut(Select) -> Result<Vec<Vec<Value>>, Error>,
) -> Result<Vec<Victim>, Error> {
    let first_page = rows_for(&request, FIRST_PAGE);
    let mut chosen = Chosen::new(request);
    for rest in [NEVER_ACCESSED, ACCESSED] {
        let mut place = (Value::Real(f64::MIN), Value::Text(String::new()));
        let mut page = first_page;
        while !chosen.enough() {
            let parameters = vec![place.0, place.1, integer(page.into())];
            let rows = query(Select { columns: COLUMNS, rest, parameters })?;
            let full = rows.len() >= page as usize;
            let Some([id, _, accessed]) = rows.last().map(Vec::as_slice) else { break };
            place = (accessed.clone(), id.clone());
            rows.into_iter().for_each(|row| chosen.offer(row));
            if !full {
                break;
            }
            page = PAGE;
        }
    }
    Ok(chosen.victims)
}

/// The victims so far.
struct Chosen {
    victims: Vec<Victim>,
    bytes: u64,
    bytes_needed: u64,
    exclude: HashSet<String>,
    limit: usize,
}

impl Chosen {
    fn new(request: Eviction) -> Self {
        Chosen {
            victims: Vec::new(),
            bytes: 0,
            bytes_needed: request.bytes_needed,
            exclude: request.exclude.into_iter().collect(),
            limit: request.limit as usize,
        }
    }

    fn enough(&self) -> bool {
        self.bytes >= self.bytes_needed || self.victims.len() >= self.limit
    }

    fn offer(&mut self, row: Vec<Value>) {
        let mut row = row.into_iter();
        let Some(id) = row.next().and_then(image_id) else { return };
        if self.enough() || self.exclude.contains(&id) {
            return;
        }
        let size = row.next().map_or(0, |size| unsigned(&size));
        self.bytes = self.bytes.saturating_add(size);
        self.victims.push(Victim { image_id: id, size });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the rows that SQLite would return, from rows sorted by access time.
    fn table(rows: u64) -> impl FnMut(Select) -> Result<Vec<Vec<Value>>, Error> {
        move |statement| {
            let [Value::Real(after), Value::Text(after_id), Value::Integer(limit)] =
                statement.parameters.as_slice()
            else {
                panic!("{statement:?}")
            };
            if statement.rest == NEVER_ACCESSED {
                let never = ["never", "x-never"].into_iter().filter(|id| *id > after_id.as_str());
                return Ok(never.map(|id| row(id, Value::Null)).take(*limit as usize).collect());
            }
            let start = if *after >= 0.0 { *after as u64 + 1 } else { 0 };
            let some = (start..rows).take(*limit as usize);
            Ok(some.map(|n| row(&format!("{n:06}"), Value::Real(n as f64))).collect())
        }
    }

    fn row(id: &str, accessed: Value) -> Vec<Value> {
        vec![Value::Text(id.into()), Value::Integer(10), accessed]
    }

    fn ids(bytes_needed: u64, exclude: &[&str], limit: u32) -> Vec<String> {
        let exclude = exclude.iter().map(|id| id.to_string()).collect();
        let victims = select(Eviction { now: 0, bytes_needed, exclude, limit }, table(5000))
            .expect("no query fails");
        victims.into_iter().map(|victim| victim.image_id).collect()
    }

    #[test]
    fn the_oldest_are_selected_until_the_bytes_are_reached() {
        assert_eq!(ids(0, &[], 10), [""; 0]);
        assert_eq!(ids(1, &[], 10), ["never"]);
        assert_eq!(ids(21, &[], 10), ["never", "x-never", "000000"]);
        assert_eq!(ids(20, &["never", "000000"], 10), ["x-never", "000001"]);
        assert_eq!(ids(u64::MAX, &[], 3).len(), 3);
    }

    #[test]
    fn the_cache_can_be_emptied_page_by_page() {
        let all = ids(u64::MAX, &["000070"], u32::MAX);
        assert_eq!(all.len(), 5001);
        assert_eq!(all[71..74], ["000069", "000071", "000072"]);
    }
}
