//! Reading `[drivers.NAME]`: one driver that is not built in.

use super::builder::driver_key;
use super::fault::Rejected;
use super::toml_file::{Entry, Reading, given};
use super::value::Given;
use super::{DriverConfig, Grant, Limits, check, value};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const KEYS: [&str; 5] = ["component", "sha256", "grants", "options", "limits"];
const LIMIT_KEYS: [&str; 6] =
    ["memory", "guest_time", "call_time", "component", "database", "instances"];
const COMPONENT: &str = "the path of a WebAssembly component, relative to this file's directory";
const SHA256: &str = "64 hexadecimal digits, in quotes";
const GRANTS: &str = "an array of \"sql\", \"attributes\", \"files\" and \"wasi\"";
const OPTION: &str = "text, in quotes";

/// The driver that the entry of `[drivers]` defines, where nothing is wrong with it.
pub(super) fn read(
    reading: &mut Reading<'_>,
    (name, value): Entry<'_, '_>,
) -> Option<DriverConfig> {
    let name_text = name.get_ref().as_ref();
    let before = reading.faults.len();
    let DeValue::Table(table) = value.get_ref() else {
        let rejected =
            Rejected::new(given(value.get_ref()).found(), "a table with at least a component");
        reading.fault(&name.span(), &driver_key(name_text, ""), rejected);
        return None;
    };
    let mut driver = DriverConfig::new(PathBuf::new());
    for (key, value) in table {
        let shown = driver_key(name_text, key.get_ref());
        match key.get_ref().as_ref() {
            "component" => {
                let path = reading.hold(key, &shown, component(value.get_ref()));
                // A path that is no text was reported; that it is missing would be one fault too many.
                driver.component = path.map_or_else(|| "?".into(), |path| reading.anchored(path));
            }
            "sha256" => driver.sha256 = reading.hold(key, &shown, sha256(value.get_ref())),
            "grants" => grants(reading, &shown, value, &mut driver),
            "options" => options(reading, &shown, value, &mut driver),
            "limits" => driver.limits = limits(reading, &shown, value),
            _ => reading.unknown(key, &shown, &KEYS),
        }
    }
    for (key, rejected) in check::driver_config(name_text, &driver) {
        if key == "component" && reading.is_broken() {
            continue;
        }
        reading.fault(&place(table, key, name.span()), &driver_key(name_text, key), rejected);
    }
    (reading.faults.len() == before).then_some(driver)
}

fn component<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Rejected> {
    match value {
        DeValue::String(path) if !path.is_empty() && !path.contains('\0') => Ok(path),
        other => Err(Rejected::new(given(other).found(), COMPONENT)),
    }
}

fn sha256(value: &DeValue<'_>) -> Result<[u8; 32], Rejected> {
    let mut digest = [0; 32];
    match value {
        DeValue::String(text) if hex::decode_to_slice(text.as_bytes(), &mut digest).is_ok() => {
            Ok(digest)
        }
        other => Err(Rejected::new(given(other).found(), SHA256)),
    }
}

fn grants(
    reading: &mut Reading<'_>,
    shown: &str,
    value: &Spanned<DeValue<'_>>,
    driver: &mut DriverConfig,
) {
    let DeValue::Array(names) = value.get_ref() else {
        return reading.fault(
            &value.span(),
            shown,
            Rejected::new(given(value.get_ref()).found(), GRANTS),
        );
    };
    for name in names {
        let known = Grant::ALL
            .into_iter()
            .find(|grant| matches!(name.get_ref(), DeValue::String(text) if text.as_ref() == grant.name()));
        match known {
            Some(grant) => {
                driver.grants.insert(grant);
            }
            None => reading.fault(
                &name.span(),
                shown,
                Rejected::new(given(name.get_ref()).found(), GRANTS),
            ),
        }
    }
}

fn options(
    reading: &mut Reading<'_>,
    shown: &str,
    value: &Spanned<DeValue<'_>>,
    driver: &mut DriverConfig,
) {
    let DeValue::Table(options) = value.get_ref() else {
        let rejected = Rejected::new(given(value.get_ref()).found(), "a table of texts");
        return reading.fault(&value.span(), shown, rejected);
    };
    for (key, value) in options {
        let name = key.get_ref();
        match value.get_ref() {
            DeValue::String(text) => {
                driver.options.insert(name.to_string(), text.to_string());
            }
            other => {
                let rejected = Rejected::new(given(other).found(), OPTION);
                reading.fault(&key.span(), &format!("{shown}.{name}"), rejected);
            }
        }
    }
}

fn limits(reading: &mut Reading<'_>, shown: &str, value: &Spanned<DeValue<'_>>) -> Limits {
    let mut limits = Limits::default();
    let DeValue::Table(table) = value.get_ref() else {
        let rejected = Rejected::new(
            given(value.get_ref()).found(),
            "a table with memory, guest_time, call_time, component, database and instances",
        );
        reading.fault(&value.span(), shown, rejected);
        return limits;
    };
    for (key, value) in table {
        let shown = format!("{shown}.{}", key.get_ref());
        let given: Given<'_> = given(value.get_ref());
        // A time that was refused must not make the other one contradict it: the shortest and the
        // longest contradict nothing.
        match key.get_ref().as_ref() {
            "memory" => {
                let memory = reading.hold(key, &shown, value::bytes(&given, check::LIMIT_MEMORY));
                limits.memory = memory.unwrap_or(limits.memory);
            }
            "guest_time" => {
                let time = reading.hold(key, &shown, value::time(&given, check::LIMIT_TIME));
                limits.guest_time = time.unwrap_or(Duration::from_millis(10));
            }
            "call_time" => {
                let time = reading.hold(key, &shown, value::time(&given, check::LIMIT_TIME));
                limits.call_time = time.unwrap_or(Duration::from_secs(600));
            }
            "component" => {
                let bytes = value::bytes(&given, check::LIMIT_COMPONENT);
                limits.component = reading.hold(key, &shown, bytes).unwrap_or(limits.component);
            }
            "database" => {
                let bytes = value::bytes(&given, check::LIMIT_DATABASE);
                limits.database = reading.hold(key, &shown, bytes).unwrap_or(limits.database);
            }
            "instances" => {
                let count = value::count(&given, check::LIMIT_INSTANCES);
                limits.instances = reading.hold(key, &shown, count).unwrap_or(limits.instances);
            }
            _ => reading.unknown(key, &shown, &LIMIT_KEYS),
        }
    }
    limits
}

/// Where the key stands, with its dots; where it does not, its table, or else `name`.
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
