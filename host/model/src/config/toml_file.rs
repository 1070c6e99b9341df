//! Reads a TOML file: finds options by name, and reports every other key as a fault with its line.

use super::driver_table;
use super::fault::ConfigFault;
use super::option_table::{ConfigBuilder, ConfigOption};
use super::toml_reader::{TomlReader, given};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Puts the options of the text into `builder`; returns the faults.
pub(super) fn read(text: &str, path: &Path, builder: &mut ConfigBuilder) -> Vec<ConfigFault> {
    let (mut reader, table) = TomlReader::parse(text, path);
    options(&mut reader, table.get_ref(), builder);
    reader.into_faults()
}

fn options(reader: &mut TomlReader<'_>, table: &DeTable<'_>, builder: &mut ConfigBuilder) {
    let mut driver_here = false;
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        match (ConfigOption::ALL.iter().find(|option| option.name() == name), name) {
            (Some(option), _) => {
                let set = option.set(&given(value.get_ref()), builder);
                driver_here |= *option == ConfigOption::Driver && set.is_ok();
                reader.hold(&key.span(), name, set);
            }
            (None, "drivers") => drivers(reader, value, builder),
            (None, _) => {
                let mut names: Vec<&str> =
                    ConfigOption::ALL.iter().map(|option| option.name()).collect();
                names.push("[drivers.NAME]");
                reader.unknown(key, name, &names);
            }
        }
    }
    if driver_here {
        anchor_driver(reader, builder);
    }
}

fn drivers(reader: &mut TomlReader<'_>, value: &Spanned<DeValue<'_>>, builder: &mut ConfigBuilder) {
    let accepted = "a table [drivers.NAME] for each driver";
    let drivers = reader.table(&value.span(), "drivers", value, accepted);
    for (name, value) in drivers.into_iter().flatten() {
        if let Some(driver) = driver_table::read(reader, (name, value)) {
            builder.drivers.insert(name.get_ref().to_string(), driver);
        }
    }
}

/// A component's relative path is relative to the file's directory, like those in `[drivers.NAME]`.
fn anchor_driver(reader: &TomlReader<'_>, builder: &mut ConfigBuilder) {
    if let Some(driver) = &mut builder.driver {
        let is_path = driver.contains('/') || driver.ends_with(".wasm");
        if is_path && !builder.drivers.contains_key(driver) {
            // If the path is not UTF-8, it cannot be stored as text, and the driver stays unchanged.
            if let Ok(path) = reader.anchored(driver).into_os_string().into_string() {
                *driver = path;
            }
        }
    }
}
