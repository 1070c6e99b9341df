//! Converts between a row of `cached_images` and a record. Values that Glance or an operator wrote are interpreted as far as
//! possible.

use image_cache_driver_sdk::checksum_from_hex;
use image_cache_driver_sdk::prelude::*;

/// The columns that [`from_row`] reads, in its order.
pub const COLUMNS: &[&str] =
    &["image_id", "last_accessed", "last_modified", "size", "hits", "checksum"];

/// Names that the host reserves for the cache and for Glance; `cache.db` also has side files.
const RESERVED: [&str; 6] =
    ["incomplete", "invalid", "queue", "cache.db", "image_cache_db_init", "checkme"];

const SIDE_FILES: [&str; 3] = ["cache.db-wal", "cache.db-shm", "cache.db-journal"];

/// The record in a row of [`COLUMNS`], or none if the id is not a valid image id: such a row can never have a file.
pub fn from_row(row: Vec<Value>) -> Option<CachedImage> {
    let [id, last_accessed, last_modified, size, hits, checksum] =
        <[Value; 6]>::try_from(row).ok()?;
    let checksum = match checksum {
        Value::Text(hex) => checksum_from_hex(&hex),
        _ => None,
    };
    Some(CachedImage {
        image_id: image_id(id)?,
        size: unsigned(&size),
        hits: unsigned(&hits),
        last_accessed: timestamp(&last_accessed),
        last_modified: timestamp(&last_modified),
        checksum,
    })
}

/// The id in a column, or none if it is not a valid image id. The host makes the same check, and would refuse the whole page.
pub fn image_id(value: Value) -> Option<String> {
    let Value::Text(id) = value else { return None };
    let sound = !id.is_empty() && id.len() <= 255 && !id.starts_with('.');
    let kept = RESERVED.contains(&id.as_str()) || SIDE_FILES.contains(&id.as_str());
    (sound && !kept && !id.chars().any(|c| c == '/' || c.is_control())).then_some(id)
}

/// Converts seconds since the epoch to microseconds; a negative number or another value is 0.
pub fn timestamp(value: &Value) -> u64 {
    match value {
        Value::Integer(seconds) => u64::try_from(*seconds).unwrap_or(0).saturating_mul(1_000_000),
        Value::Real(seconds) => microseconds(*seconds),
        Value::Null | Value::Text(_) | Value::Blob(_) => 0,
    }
}

/// Converts microseconds to seconds. [`timestamp`] returns the same microseconds up to the year 2242, when the precision of a
/// double falls below one microsecond.
pub fn seconds(timestamp: u64) -> Value {
    Value::Real(timestamp as f64 / 1e6)
}

/// Whole seconds are converted separately, because their product with a million would be rounded once more.
fn microseconds(seconds: f64) -> u64 {
    let fraction = (seconds.fract() * 1e6).round() as u64;
    (seconds.trunc() as u64).saturating_mul(1_000_000).saturating_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_survive_as_seconds() {
        let mut at = 0u64;
        let mut step = 1u64;
        while at < 8_589_934_592_000_000 {
            for near in [at, at + 1, at + 499_999, at + 999_999] {
                assert_eq!(timestamp(&seconds(near)), near);
            }
            step = (step * 21 / 16 + 7) % 40_000_000_000_003;
            at += step;
        }
    }

    #[test]
    fn odd_times_are_clamped() {
        assert_eq!(timestamp(&Value::Real(-5.5)), 0);
        assert_eq!(timestamp(&Value::Real(f64::NAN)), 0);
        assert_eq!(timestamp(&Value::Real(f64::INFINITY)), u64::MAX);
        assert_eq!(timestamp(&Value::Integer(7)), 7_000_000);
        assert_eq!(timestamp(&Value::Integer(i64::MAX)), u64::MAX);
        assert_eq!(timestamp(&Value::Null), 0);
        assert_eq!(timestamp(&Value::Text("yesterday".into())), 0);
    }

    #[test]
    fn a_row_of_glance_is_a_record() {
        let row = |id: Value, sum: Value| {
            vec![id, Value::Real(1.25), Value::Integer(3), Value::Integer(10), Value::Null, sum]
        };
        let record = from_row(row(Value::Text("a".into()), Value::Null)).expect("a sound row");
        assert_eq!((record.last_accessed, record.last_modified), (1_250_000, 3_000_000));
        assert_eq!((record.size, record.hits, record.checksum), (10, 0, None));
        let empty = from_row(row(Value::Text("a".into()), Value::Text(String::new())))
            .expect("a sound row");
        assert_eq!(empty.checksum, None);
        let md5 = Value::Text("D41D8CD98F00B204E9800998ECF8427E".into());
        let summed = from_row(row(Value::Text("a".into()), md5)).expect("a sound row");
        let value = summed.checksum.map(|c| c.value);
        assert_eq!(value.as_deref(), Some("d41d8cd98f00b204e9800998ecf8427e"));
    }

    #[test]
    fn rows_without_a_valid_id_are_skipped() {
        let long = "x".repeat(256);
        let odd = ["", "/etc/passwd", "../x", ".hidden", "a\0b", "a\nb", &long];
        for id in odd.into_iter().chain(RESERVED).chain(SIDE_FILES) {
            assert_eq!(image_id(Value::Text(id.into())), None, "{id:?}");
        }
        assert_eq!(image_id(Value::Null), None);
        assert!(from_row(vec![Value::Null]).is_none());
    }
}
