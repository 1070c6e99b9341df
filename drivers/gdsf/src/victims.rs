//! Selects the images with the lowest priority, page by page through the index.

use image_cache_driver_sdk::prelude::*;
use image_cache_driver_sdk::rows_for;
use std::collections::HashSet;

/// Rows in one page.
const PAGE: u32 = 500;

/// Each page starts after the end of the previous page.
const LOWEST: &str = "SELECT priority, accessed, id, size FROM images \
    WHERE (priority, accessed, id) > (?1, ?2, ?3) ORDER BY priority, accessed, id LIMIT ?4";

/// Returns the images with the lowest priority, of equals the least recently accessed first, until their sizes reach the needed
/// bytes.
pub fn select(
    request: Eviction,
    mut query: impl FnMut(&Statement) -> Result<Vec<Vec<Value>>, Error>,
) -> Result<Vec<Victim>, Error> {
    let page = rows_for(&request, PAGE);
    let exclude: HashSet<String> = request.exclude.into_iter().collect();
    let (mut victims, mut freed) = (Vec::new(), 0u64);
    let mut place = vec![Value::Real(-1.0), Value::Integer(0), Value::Text(String::new())];
    loop {
        place.push(integer(page.into()));
        let rows = query(&statement(LOWEST, place))?;
        let full = rows.len() == page as usize;
        let last = rows.last().map(|row| row[..row.len().min(3)].to_vec());
        for row in rows {
            if freed >= request.bytes_needed || victims.len() >= request.limit as usize {
                return Ok(victims);
            }
            let [_, _, Value::Text(image_id), size] = row.as_slice() else { continue };
            if !exclude.contains(image_id) {
                let size = unsigned(size);
                freed = freed.saturating_add(size);
                victims.push(Victim { image_id: image_id.clone(), size });
            }
        }
        match last {
            Some(last) if full => place = last,
            _ => return Ok(victims),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the rows that SQLite would return, for images of 10 bytes whose priority is their number.
    fn table(rows: u64) -> impl FnMut(&Statement) -> Result<Vec<Vec<Value>>, Error> {
        move |statement| {
            let [Value::Real(after), _, _, Value::Integer(limit)] = statement.parameters.as_slice()
            else {
                panic!("{statement:?}")
            };
            let row = |n: u64| {
                let id = Value::Text(n.to_string());
                vec![Value::Real(n as f64), Value::Integer(0), id, Value::Integer(10)]
            };
            Ok(((*after + 1.0) as u64..rows).take(*limit as usize).map(row).collect())
        }
    }

    fn ids(bytes_needed: u64, exclude: &[&str], limit: u32) -> Vec<String> {
        let exclude = exclude.iter().map(|id| id.to_string()).collect();
        let victims = select(Eviction { now: 0, bytes_needed, exclude, limit }, table(1200))
            .expect("no query fails");
        victims.into_iter().map(|victim| victim.image_id).collect()
    }

    #[test]
    fn the_lowest_are_selected_until_the_bytes_are_reached() {
        assert_eq!(ids(0, &[], 10), [""; 0]);
        assert_eq!(ids(1, &[], 10), ["0"]);
        assert_eq!(ids(21, &["1"], 10), ["0", "2", "3"]);
        assert_eq!(ids(u64::MAX, &[], 3), ["0", "1", "2"]);
    }

    #[test]
    fn the_cache_can_be_emptied_page_by_page() {
        let all = ids(u64::MAX, &["500"], u32::MAX);
        assert_eq!(all.len(), 1199);
        assert_eq!(all[499..501], ["499", "501"]);
    }
}
