//! The tests that are expected to fail, each with its reason.

use image_cache_tests::Tested;
use std::collections::BTreeMap;

/// The ids of tests that fail, with their kind.
#[derive(Debug)]
pub struct Expected(BTreeMap<String, String>);

impl Expected {
    /// Reads the list beside this file.
    pub fn load() -> Tested<Expected> {
        let list: toml::Table = include_str!("expected_failures.toml").parse()?;
        let mut known = BTreeMap::new();
        for group in list["failures"].as_array().ok_or("no failures")? {
            let text = |name: &str| group.get(name).and_then(|it| it.as_str()).unwrap_or_default();
            let (kind, reason) = (text("kind"), text("reason"));
            if reason.len() < 20 || !reason.ends_with('.') {
                return Err(format!("no sentence: {reason:?}").into());
            }
            if !["required", "optimal"].contains(&kind) {
                return Err(format!("no kind: {kind:?} ({reason})").into());
            }
            let tests = group.get("tests").and_then(|it| it.as_array()).ok_or("no tests")?;
            for id in tests {
                let id = id.as_str().ok_or("an id is a text")?.to_owned();
                if known.insert(id.clone(), kind.to_owned()).is_some() {
                    return Err(format!("{id} is listed twice").into());
                }
            }
        }
        Ok(Expected(known))
    }

    pub fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Ids and kinds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(id, kind)| (id.as_str(), kind.as_str()))
    }
}
