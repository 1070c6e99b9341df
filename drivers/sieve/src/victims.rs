//! The order of eviction, read page by page without a change: what the hand would evict if nothing was used meanwhile.

use image_cache_driver_sdk::prelude::*;
use image_cache_driver_sdk::rows_for;
use std::collections::HashSet;

/// Rows in one page.
const PAGE: u32 = 200;

const HAND: &str = "SELECT place FROM hand";

/// A stretch of the queue; each page starts after the end of the previous page.
const STRETCH: &str = "SELECT queue.place, queue.image_id, images.size FROM queue JOIN images USING (image_id) \
    WHERE used = ?1 AND place >= ?2 AND place < ?3 ORDER BY place LIMIT ?4";

/// The images that were not used, from the hand on and around; then the others in the same order.
pub fn select(
    request: Eviction,
    mut query: impl FnMut(&Statement) -> Result<Vec<Vec<Value>>, Error>,
) -> Result<Vec<Victim>, Error> {
    let hand = query(&statement(HAND, Vec::new()))?;
    let hand = match hand.first().map(Vec::as_slice) {
        Some([Value::Integer(place)]) => *place,
        _ => 0,
    };
    let page = rows_for(&request, PAGE);
    let exclude: HashSet<String> = request.exclude.into_iter().collect();
    let (mut victims, mut bytes) = (Vec::new(), 0u64);
    for (used, from, to) in [(0, hand, i64::MAX), (0, 0, hand), (1, hand, i64::MAX), (1, 0, hand)] {
        let mut from = from;
        loop {
            if bytes >= request.bytes_needed || victims.len() >= request.limit as usize {
                return Ok(victims);
            }
            let parameters = [used, from, to, page.into()].map(Value::Integer).to_vec();
            let rows = query(&statement(STRETCH, parameters))?;
            let is_last = rows.len() < page as usize;
            for row in rows {
                let [Value::Integer(place), Value::Text(image_id), Value::Integer(size)] =
                    row.as_slice()
                else {
                    continue;
                };
                from = place.saturating_add(1);
                let is_enough =
                    bytes >= request.bytes_needed || victims.len() >= request.limit as usize;
                if !is_enough && !exclude.contains(image_id) {
                    let size = u64::try_from(*size).unwrap_or(0);
                    bytes = bytes.saturating_add(size);
                    victims.push(Victim { image_id: image_id.clone(), size });
                }
            }
            if is_last {
                break;
            }
        }
    }
    Ok(victims)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten images of ten bytes; every third was used, and the hand is at the fifth.
    fn victims(bytes_needed: u64, exclude: &[&str], limit: u32) -> Vec<String> {
        let exclude = exclude.iter().map(|id| id.to_string()).collect();
        let request = Eviction { now: 0, bytes_needed, exclude, limit };
        let select = |statement: &Statement| {
            let [Value::Integer(used), Value::Integer(from), Value::Integer(to), _] =
                statement.parameters.as_slice()
            else {
                return Ok(vec![vec![Value::Integer(5)]]);
            };
            let is_in =
                |place: &i64| (from..to).contains(&place) && i64::from(place % 3 == 0) == *used;
            let row = |place: i64| {
                vec![Value::Integer(place), Value::Text(place.to_string()), Value::Integer(10)]
            };
            Ok((0..10).filter(is_in).map(row).collect())
        };
        let victims = super::select(request, select).expect("no query fails");
        victims.into_iter().map(|victim| victim.image_id).collect()
    }

    #[test]
    fn the_hand_passes_over_images_that_were_used() {
        assert_eq!(victims(0, &[], 10), [""; 0]);
        assert_eq!(victims(11, &[], 10), ["5", "7"]);
        assert_eq!(victims(1000, &["7"], 4), ["5", "8", "1", "2"]);
        let all = ["5", "7", "8", "1", "2", "4", "6", "9", "0", "3"];
        assert_eq!(victims(u64::MAX, &[], 100), all);
    }
}
