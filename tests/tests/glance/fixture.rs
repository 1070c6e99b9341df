//! Directories that the real Glance filled, stored as text, because a repository does not keep attributes, times and databases.

use crate::plan::{Said, as_json};
use image_cache_tests::{TempCache, Tested, set_times};
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use toml::Table;

/// Creates the directory of this cache's driver, with the same files and bytes; returns Glance's report on it.
pub fn build(temp: &TempCache) -> Tested<Said> {
    let text = match temp.driver() {
        "sqlite" => include_str!("../../fixtures/glance/sqlite.toml"),
        _ => include_str!("../../fixtures/glance/xattr.toml"),
    };
    let fixture: Table = text.parse()?;
    let of = |key: &str| fixture[key].as_str().ok_or("a text");
    assert_eq!(
        of("plan")?.parse::<serde_json::Value>()?,
        as_json(),
        "created for another plan: create it again"
    );
    for folder in ["incomplete", "invalid", "queue"] {
        fs::create_dir_all(temp.path(folder))?;
    }
    for file in fixture["file"].as_array().ok_or("a list of files")? {
        build_file(temp, file.as_table().ok_or("a table for each file")?)?;
    }
    Said::from_json(of("said")?)
}

fn build_file(temp: &TempCache, file: &Table) -> Tested {
    let number =
        |key: &str| -> Tested<u64> { Ok(file[key].as_integer().ok_or("a number")?.try_into()?) };
    let mut content = vec![0; number("size")?.try_into()?];
    for row in file["rows"].as_array().ok_or("a list of rows")? {
        let (offset, bytes) =
            (row[0].as_integer().ok_or("an offset")?, row[1].as_str().ok_or("hex")?);
        let (offset, bytes) = (usize::try_from(offset)?, hex::decode(bytes)?);
        content[offset..offset + bytes.len()].copy_from_slice(&bytes);
    }
    let path = temp.put(file["path"].as_str().ok_or("a path")?, &content);
    for (name, value) in
        file.get("attributes").and_then(|them| them.as_table()).into_iter().flatten()
    {
        xattr::set(&path, name, value.as_str().ok_or("a text")?.as_bytes())?;
    }
    let time =
        |key: &str| -> Tested<SystemTime> { Ok(UNIX_EPOCH + Duration::from_nanos(number(key)?)) };
    set_times(&path, time("accessed_ns")?, time("modified_ns")?)?;
    Ok(())
}
