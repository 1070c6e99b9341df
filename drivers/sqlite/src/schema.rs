//! Glance's table: the driver creates it if it does not exist, and refuses it if it has other columns.

use image_cache_driver_sdk::prelude::*;

/// The columns in Glance's order.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS cached_images (image_id TEXT PRIMARY KEY, \
    last_accessed REAL, last_modified REAL, size INTEGER, hits INTEGER, checksum TEXT)";

/// The index for the eviction order. Glance ignores it.
const INDEX: &str = "CREATE INDEX IF NOT EXISTS cached_images_by_last_accessed \
    ON cached_images (last_accessed, image_id)";

/// Each column of the table, and whether it is the primary key.
const FOUND: &str = "SELECT name, pk FROM pragma_table_info('cached_images') ORDER BY cid";

/// The columns that the table must have, in any order.
const EXPECTED: [&str; 6] =
    ["image_id", "last_accessed", "last_modified", "size", "hits", "checksum"];

/// Creates or checks the table, and creates its index.
pub fn prepare() -> Result<(), ConfigurationError> {
    let found = sql::query(&statement(FOUND, Vec::new()))
        .map_err(|error| failed("reading the schema", &error))?;
    if found.rows.is_empty() {
        sql::execute(&statement(TABLE, Vec::new()))
            .map_err(|error| failed("making the table cached_images", &error))?;
    } else {
        check(found.rows).map_err(ConfigurationError::Unsupported)?;
    }
    sql::execute(&statement(INDEX, Vec::new()))
        .map_err(|error| failed("making the index of cached_images", &error))?;
    Ok(())
}

/// Compares the existing columns (name, primary key) with the required ones.
fn check(rows: Vec<Vec<Value>>) -> Result<(), String> {
    let mut found = Vec::new();
    let mut key = Vec::new();
    for row in rows {
        let [Value::Text(name), in_key] = row.as_slice() else { continue };
        if *in_key != Value::Integer(0) {
            key.push(name.to_ascii_lowercase());
        }
        found.push(name.to_ascii_lowercase());
    }
    let same = found.len() == EXPECTED.len()
        && EXPECTED.iter().all(|name| found.iter().any(|f| f == name));
    if !same {
        return Err(format!(
            "the table cached_images has other columns: found {}; expected {}. Move the database away, or configure another one",
            found.join(", "),
            EXPECTED.join(", ")
        ));
    }
    if key != ["image_id"] {
        let key = if key.is_empty() { "none".to_string() } else { key.join(", ") };
        return Err(format!(
            "the primary key of the table cached_images is to be image_id, and is {key}"
        ));
    }
    Ok(())
}

fn failed(doing: &str, error: &Error) -> ConfigurationError {
    ConfigurationError::Other(format!("{doing}: {}", error_words(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: &[(&str, i64)]) -> Vec<Vec<Value>> {
        let row =
            |(name, key): &(&str, i64)| vec![Value::Text(name.to_string()), Value::Integer(*key)];
        columns.iter().map(row).collect()
    }

    #[test]
    fn the_columns_may_come_in_any_order() {
        let mut columns: Vec<_> =
            EXPECTED.iter().map(|name| (*name, i64::from(*name == "image_id"))).collect();
        columns.reverse();
        assert_eq!(check(rows(&columns)), Ok(()));
    }

    #[test]
    fn other_columns_are_refused_by_name() {
        let words =
            check(rows(&[("image_id", 1), ("colour", 0)])).expect_err("columns are missing");
        assert!(words.contains("found image_id, colour;"), "{words}");
        assert!(
            words.contains("expected image_id, last_accessed, last_modified, size, hits, checksum"),
            "{words}"
        );
    }

    #[test]
    fn a_table_without_its_key_is_refused() {
        let columns: Vec<_> = EXPECTED.iter().map(|name| (*name, 0)).collect();
        let words = check(rows(&columns)).expect_err("there is no key");
        assert!(words.ends_with("is to be image_id, and is none"), "{words}");
    }
}
