//! Pins: images that an operator protects from eviction, as one small file for each pinned image.
//!
//! A file has a line for each pin: its name, a tab, and its end in microseconds since 1970, or `-`. A line that cannot be read
//! counts as a pin without an end: an image that an operator protected must not be evicted because a file was damaged.

use super::{Directory, SmallFiles, names};
use image_cache_model::{ImageId, hides, printable, system_time, timestamp};
use std::io;
use std::time::SystemTime;

/// Maximum number of pinned images: the driver gets all of them as excluded images at each choice of victims.
const MAX_IMAGES: usize = 10_000;

/// Maximum number of pins of one image, and maximum length of a pin's name in bytes.
const MAX_PINS: usize = 100;
const MAX_NAME: usize = 64;

/// The text of a pin without an end.
const ENDLESS: &str = "-";

/// A pin: as long as an image has one, it is not evicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its name: 1 to 64 printable bytes. An image has at most one pin of a name.
    pub name: String,
    /// When it ends; `None` if it has no end. Precise to microseconds.
    pub until: Option<SystemTime>,
}

/// A pinned image, which need not be cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedImage {
    /// The image.
    pub image_id: ImageId,
    /// Its pins that have not ended, ascending by name.
    pub pins: Vec<Pin>,
}

impl PinnedImage {
    /// When its last pin ends; `None` if one of them has no end.
    pub fn until(&self) -> Option<SystemTime> {
        let ends: Option<Vec<SystemTime>> = self.pins.iter().map(|pin| pin.until).collect();
        ends.and_then(|ends| ends.into_iter().max())
    }
}

impl Directory {
    /// Adds a pin, or replaces the image's pin of this name. It is on disk when this returns.
    ///
    /// # Errors
    /// If its name is not valid, there are too many pins, or it cannot be written.
    pub fn pin(&self, id: &ImageId, pin: Pin) -> io::Result<()> {
        let is_name = !pin.name.is_empty() && pin.name.len() <= MAX_NAME;
        if !is_name || pin.name.chars().any(hides) {
            return Err(invalid(format!("the name of a pin has 1 to {MAX_NAME} printable bytes")));
        }
        let _lock = self.lock()?;
        let files = self.pin_files()?;
        let mut pins = load(&files, id.as_str(), SystemTime::now())?;
        if pins.is_empty() && files.names()?.len() >= MAX_IMAGES {
            return Err(invalid(format!(
                "{MAX_IMAGES} images are pinned already; remove pins that are no longer needed"
            )));
        }
        pins.retain(|known| known.name != pin.name);
        if pins.len() >= MAX_PINS {
            return Err(invalid(format!("the image has {MAX_PINS} pins already; remove one")));
        }
        pins.push(pin);
        save(&files, id.as_str(), pins)
    }

    /// Removes the image's pin of this name, or all of its pins; returns the number of removed pins.
    ///
    /// # Errors
    /// If the pins cannot be read or written.
    pub fn unpin(&self, id: &ImageId, name: Option<&str>) -> io::Result<usize> {
        let _lock = self.lock()?;
        let files = self.pin_files()?;
        let mut pins = load(&files, id.as_str(), SystemTime::now())?;
        let before = pins.len();
        pins.retain(|pin| name.is_some_and(|name| pin.name != name));
        let removed = before - pins.len();
        save(&files, id.as_str(), pins)?;
        Ok(removed)
    }

    /// The pinned images, ascending by id. It does not lock the directory.
    ///
    /// # Errors
    /// If the pins cannot be read.
    pub fn pinned(&self) -> io::Result<Vec<PinnedImage>> {
        let (files, now) = (self.pin_files()?, SystemTime::now());
        let mut pinned = Vec::new();
        for name in files.names()? {
            // An entry that is no image's is not one of ours.
            let Ok(image_id) = self.image_id(&name) else { continue };
            let pins = load(&files, &name, now)?;
            if !pins.is_empty() {
                pinned.push(PinnedImage { image_id, pins });
            }
        }
        pinned.sort_unstable_by(|a, b| a.image_id.cmp(&b.image_id));
        Ok(pinned)
    }

    fn pin_files(&self) -> io::Result<SmallFiles> {
        self.small_files(names::in_own(names::PINS))
    }
}

/// The pins of an image that have not ended at `now`.
fn load(files: &SmallFiles, image: &str, now: SystemTime) -> io::Result<Vec<Pin>> {
    let text = files.load(image)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let pins = text.lines().take(MAX_PINS).map(parse);
    Ok(pins.filter(|pin| pin.until.is_none_or(|until| until > now)).collect())
}

/// Writes the pins of an image; without pins, removes the file.
fn save(files: &SmallFiles, image: &str, mut pins: Vec<Pin>) -> io::Result<()> {
    if pins.is_empty() {
        return files.remove(image).map(drop);
    }
    pins.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let line = |pin: &Pin| {
        let until = pin.until.map_or(ENDLESS.to_owned(), |until| timestamp(until).to_string());
        format!("{}\t{until}\n", pin.name)
    };
    files.save_to_disk(image, pins.iter().map(line).collect::<String>().as_bytes())
}

fn parse(line: &str) -> Pin {
    let (name, until) = line.split_once('\t').unwrap_or((line, ENDLESS));
    Pin { name: printable(name, MAX_NAME), until: until.parse().ok().map(system_time) }
}

fn invalid(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn cache() -> (tempfile::TempDir, Directory) {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path(), "cache.db".as_ref()).expect("it opens");
        (place, directory)
    }

    fn id(id: &str) -> ImageId {
        id.parse().expect("a valid id")
    }

    fn pin(name: &str, until: Option<SystemTime>) -> Pin {
        Pin { name: name.into(), until }
    }

    fn names_of(directory: &Directory) -> Vec<(String, Vec<String>)> {
        let pinned = directory.pinned().expect("they are read");
        let names = |one: PinnedImage| {
            (one.image_id.to_string(), one.pins.into_iter().map(|pin| pin.name).collect())
        };
        pinned.into_iter().map(names).collect()
    }

    #[test]
    fn an_image_stays_pinned_until_its_last_pin_is_removed() {
        let (_place, directory) = cache();
        for (image, name) in [("b", "release"), ("b", "audit"), ("a", "release"), ("b", "audit")] {
            directory.pin(&id(image), pin(name, None)).expect("it is pinned");
        }
        let both = vec!["audit".to_owned(), "release".to_owned()];
        let a = ("a".to_owned(), vec!["release".to_owned()]);
        assert_eq!(names_of(&directory), [a.clone(), ("b".to_owned(), both)]);
        assert_eq!(directory.unpin(&id("b"), Some("audit")).expect("it is removed"), 1);
        assert_eq!(directory.unpin(&id("b"), Some("audit")).expect("it is gone"), 0);
        assert_eq!(names_of(&directory).len(), 2);
        assert_eq!(directory.unpin(&id("b"), None).expect("the rest is removed"), 1);
        assert_eq!(names_of(&directory), [a]);
    }

    #[test]
    fn a_pin_ends_at_its_time_and_the_last_one_counts() {
        let (_place, directory) = cache();
        let now = SystemTime::now();
        let (past, soon) = (now - Duration::from_secs(1), now + Duration::from_secs(3600));
        directory.pin(&id("a"), pin("past", Some(past))).expect("it is pinned");
        assert_eq!(names_of(&directory), []);
        directory.pin(&id("a"), pin("soon", Some(soon))).expect("it is pinned");
        let pinned = directory.pinned().expect("they are read");
        assert_eq!(pinned[0].pins.len(), 1);
        assert_eq!(pinned[0].until().map(timestamp), Some(timestamp(soon)));
        directory.pin(&id("a"), pin("endless", None)).expect("it is pinned");
        assert_eq!(directory.pinned().expect("they are read")[0].until(), None);
    }

    #[test]
    fn names_that_could_forge_lines_are_refused_and_damaged_lines_protect() {
        let (place, directory) = cache();
        for name in ["", "a\tb", "a\nb", &"n".repeat(65)] {
            assert!(directory.pin(&id("a"), pin(name, None)).is_err(), "{name:?}");
        }
        assert_eq!(names_of(&directory), []);
        let path = place.path().join(names::PINS).join("a");
        std::fs::write(path, b"half a li\xff").expect("it can be written");
        assert_eq!(names_of(&directory).len(), 1);
    }
}
