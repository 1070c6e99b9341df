//! Reads `[drivers.NAME]`: the definition of one driver that is not built in.

use super::check::{self, driver_key};
use super::driver_config::{DriverConfig, Grant, Limits};
use super::driver_keys::{self, COMPONENT, DRIVER_KEYS, DriverKey, GRANTS, OPTIONS, SHA256};
use super::fault::Rejected;
use super::given::{self, Given};
use super::toml_reader::{KeyValue, TomlReader, given};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const OPTION: &str = "text, in quotes";

/// The names of the keys in a driver's table, or in its inner table (`limits.`).
fn keys(table: &str) -> Vec<&'static str> {
    let names = DRIVER_KEYS.iter().filter_map(|key| key.name.strip_prefix(table));
    let mut names: Vec<&str> =
        names.map(|name| name.split('.').next().unwrap_or_default()).collect();
    names.dedup();
    names
}

/// The driver that an entry of `[drivers]` defines; `None` if the entry has a fault.
pub(super) fn read(
    reader: &mut TomlReader<'_>,
    (name, value): KeyValue<'_, '_>,
) -> Option<DriverConfig> {
    let name_text = name.get_ref().as_ref();
    let before = reader.faults.len();
    let accepted = "a table with at least a component";
    let table = reader.table(&name.span(), &driver_key(name_text, ""), value, accepted)?;
    let mut driver = DriverConfig::new(PathBuf::new());
    for (key, value) in table {
        let shown = driver_key(name_text, key.get_ref());
        match key.get_ref().as_ref() {
            "component" => {
                let path = reader.hold(&key.span(), &shown, component(value.get_ref()));
                // A path that is not text is already reported. The placeholder prevents a second fault for a missing path.
                driver.component = path.map_or_else(|| "?".into(), |path| reader.anchored(path));
            }
            "sha256" => {
                driver.sha256 = reader.hold(&key.span(), &shown, sha256(value.get_ref()));
            }
            "grants" => grants(reader, &shown, value, &mut driver),
            "options" => options(reader, &shown, value, &mut driver),
            "limits" => driver.limits = limits(reader, &shown, value),
            _ => reader.unknown(key, &shown, &keys("")),
        }
    }
    for (key, rejected) in check::driver_config(name_text, &driver) {
        if key == "component" && reader.is_broken() {
            continue;
        }
        reader.fault(&place(table, key, name.span()), &driver_key(name_text, key), rejected);
    }
    (reader.faults.len() == before).then_some(driver)
}

fn component<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Rejected> {
    match value {
        DeValue::String(path) if !path.is_empty() && !path.contains('\0') => Ok(path),
        other => Err(given(other).rejected(COMPONENT.accepted)),
    }
}

fn sha256(value: &DeValue<'_>) -> Result<[u8; 32], Rejected> {
    let mut digest = [0; 32];
    match value {
        DeValue::String(text) if hex::decode_to_slice(text.as_bytes(), &mut digest).is_ok() => {
            Ok(digest)
        }
        other => Err(given(other).rejected(SHA256.accepted)),
    }
}

fn grants(
    reader: &mut TomlReader<'_>,
    shown: &str,
    value: &Spanned<DeValue<'_>>,
    driver: &mut DriverConfig,
) {
    let DeValue::Array(names) = value.get_ref() else {
        let rejected = given(value.get_ref()).rejected(GRANTS.accepted);
        return reader.fault(&value.span(), shown, rejected);
    };
    for name in names {
        let grant = given::choice::<Grant>(&given(name.get_ref()), GRANTS.accepted);
        driver.grants.extend(reader.hold(&name.span(), shown, grant));
    }
}

fn options(
    reader: &mut TomlReader<'_>,
    shown: &str,
    value: &Spanned<DeValue<'_>>,
    driver: &mut DriverConfig,
) {
    let options = reader.table(&value.span(), shown, value, OPTIONS.accepted);
    for (key, value) in options.into_iter().flatten() {
        let name = key.get_ref();
        let text = given::string(&given(value.get_ref()), OPTION);
        let text = reader.hold(&key.span(), &format!("{shown}.{name}"), text);
        driver.options.extend(text.map(|text| (name.to_string(), text)));
    }
}

fn limits(reader: &mut TomlReader<'_>, shown: &str, value: &Spanned<DeValue<'_>>) -> Limits {
    let mut limits = Limits::default();
    let accepted = "a table with memory, guest_time, call_time, component, database and instances";
    let table = reader.table(&value.span(), shown, value, accepted);
    for (key, value) in table.into_iter().flatten() {
        let shown = format!("{shown}.{}", key.get_ref());
        match read_limit(&mut limits, key.get_ref(), &given(value.get_ref())) {
            Some(read) => drop(reader.hold(&key.span(), &shown, read)),
            None => reader.unknown(key, &shown, &keys("limits.")),
        }
    }
    limits
}

/// Reads a limit; `None` if the name is unknown.
fn read_limit(limits: &mut Limits, name: &str, given: &Given<'_>) -> Option<Result<(), Rejected>> {
    let bytes = |key: DriverKey| given::bytes(given, key.accepted);
    let time = |key: DriverKey| given::time(given, key.accepted);
    Some(match name {
        "memory" => bytes(driver_keys::MEMORY).map(|bytes| limits.memory = bytes),
        "component" => bytes(driver_keys::COMPONENT_SIZE).map(|bytes| limits.component = bytes),
        "database" => bytes(driver_keys::DATABASE).map(|bytes| limits.database = bytes),
        "instances" => given::count(given, driver_keys::INSTANCES.accepted)
            .map(|instances| limits.instances = instances),
        // A refused time must not cause a second fault: the shortest and the longest time are valid with every other time.
        "guest_time" => {
            limits.guest_time = Duration::from_millis(10);
            time(driver_keys::GUEST_TIME).map(|time| limits.guest_time = time)
        }
        "call_time" => {
            limits.call_time = Duration::from_secs(600);
            time(driver_keys::CALL_TIME).map(|time| limits.call_time = time)
        }
        _ => return None,
    })
}

/// The place of the key, which may have dots; if the key is missing, the place of its table, or else `name`.
fn place(table: &DeTable<'_>, key: &str, name: Range<usize>) -> Range<usize> {
    let mut place = name;
    let mut table = Some(table);
    for part in key.split('.') {
        let Some((key, value)) = table.and_then(|table| table.get_key_value(part)) else { break };
        place = key.span();
        table = value.get_ref().as_table();
    }
    place
}
