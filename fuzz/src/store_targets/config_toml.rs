//! A configuration in TOML: an accepted one has only known keys and the values that a second parser finds; a
//! refused one has a reason.

use image_cache_model::{Config, ConfigOption};
use std::path::Path;

/// The input is the file's text.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = match Config::from_toml(text, Path::new("/etc/image-cache.toml")) {
        Ok(config) => config,
        Err(error) => return super::explains_itself(&error),
    };
    let table: toml::Table = text.parse().expect("it is TOML");
    for key in table.keys() {
        let is_known = ConfigOption::ALL.iter().any(|option| option.name() == key);
        assert!(is_known || key == "drivers", "{key} is accepted but unknown");
    }
    let dir = table["image_cache_dir"].as_str().expect("it is text");
    assert!(config.dir.ends_with(dir.trim_start_matches('/')), "{dir} is {:?}", config.dir);
    if let Some(size) = table.get("image_cache_max_size").and_then(toml::Value::as_integer) {
        assert_eq!(u64::try_from(size), Ok(config.max_size));
    }
    let drivers = table.get("drivers").and_then(toml::Value::as_table);
    assert_eq!(config.drivers.len(), drivers.map_or(0, toml::Table::len));
    for (name, driver) in &config.drivers {
        let given = &drivers.expect("there are some")[name];
        let grants = given.get("grants").and_then(toml::Value::as_array);
        let grants: Vec<&str> =
            grants.into_iter().flatten().filter_map(toml::Value::as_str).collect();
        assert!(
            driver.grants.iter().all(|grant| grants.contains(&grant.name())),
            "{name} is granted more"
        );
        assert!(grants.iter().all(|name| driver.grants.iter().any(|grant| grant.name() == *name)));
        assert_eq!(
            given.get("sha256").is_some(),
            driver.sha256.is_some(),
            "the pin of {name} is missing"
        );
    }
}
