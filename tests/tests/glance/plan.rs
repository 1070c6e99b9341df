//! The content of a directory, whoever fills it, and Glance's report on it.

use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The images with their lines and hits.
pub const CACHED: [(&str, usize, u64); 5] = [
    ("a-base", 30, 2),
    ("b-server", 7, 0),
    ("c-rescue", 12, 5),
    ("d-empty", 0, 1),
    ("5b1a6e0c-4f6e-4a44-9f0e-6d2f7c1f0b9a", 3, 1),
];
/// The queue in its order.
pub const QUEUED: [&str; 3] = ["z-first", "a-second", "m-third"];
/// Failed fetches.
pub const INVALID: [&str; 1] = ["broken"];
/// Fetches whose process died two days ago.
pub const STALLED: [&str; 1] = ["stalled"];

/// The bytes of an image: its id on each line.
pub fn image(id: &str, lines: usize) -> Vec<u8> {
    format!("{id}\n").repeat(lines).into_bytes()
}

/// The plan, for `work.py`.
pub fn as_json() -> Value {
    json!({ "cached": CACHED, "queued": QUEUED, "invalid": INVALID, "stalled": STALLED })
}

/// Glance's report on a directory.
#[derive(Debug, PartialEq)]
pub struct Said {
    cached: Vec<Image>,
    pub queued: Vec<String>,
    /// Bytes of all images.
    pub size: u64,
    /// The image that it would evict first.
    pub least: Option<String>,
}

/// Glance's report on an image.
#[derive(Debug, PartialEq)]
pub struct Image {
    id: String,
    pub hits: u64,
    pub size: u64,
    pub last_accessed: SystemTime,
}

impl Said {
    pub fn from_json(text: &str) -> Result<Said, Box<dyn std::error::Error>> {
        let said: Value = serde_json::from_str(text)?;
        let field = || format!("Glance printed something else: {text}");
        let list = |name: &str| said[name].as_array().ok_or_else(field);
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(field);
        let image = |value: &Value| -> Result<Image, Box<dyn std::error::Error>> {
            let micros = value["last_accessed"].as_f64().ok_or_else(field)? * 1e6;
            Ok(Image {
                id: text(&value["image_id"])?,
                hits: value["hits"].as_u64().ok_or_else(field)?,
                size: value["size"].as_u64().ok_or_else(field)?,
                last_accessed: UNIX_EPOCH + Duration::from_micros(micros.round() as u64),
            })
        };
        Ok(Said {
            cached: list("cached")?.iter().map(image).collect::<Result<_, _>>()?,
            queued: list("queued")?.iter().map(text).collect::<Result<_, _>>()?,
            size: said["size"].as_u64().ok_or_else(field)?,
            least: said["least"].as_str().map(str::to_owned),
        })
    }

    /// The ids, in their order.
    pub fn ids(&self) -> Vec<String> {
        self.cached.iter().map(|image| image.id.clone()).collect()
    }

    /// Glance's report on this image, which must be in it.
    pub fn image(&self, id: &str) -> &Image {
        let image = self.cached.iter().find(|image| image.id == id);
        image.unwrap_or_else(|| panic!("Glance does not list {id}: {self:?}"))
    }

    /// The ids, the least recently used first.
    pub fn by_age(&self) -> Vec<&String> {
        let mut images: Vec<&Image> = self.cached.iter().collect();
        images.sort_by_key(|image| image.last_accessed);
        images.into_iter().map(|image| &image.id).collect()
    }
}

/// Truncated to whole microseconds, the unit of the records.
pub fn to_micros(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::new(since.as_secs(), since.subsec_micros() * 1000)
}
