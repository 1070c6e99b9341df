//! Pins: images that an operator protects from eviction, as one small file for each pinned image.
//!
//! A file has a line for each pin: its name, a tab, and its end in microseconds since 1970, or `-`. A line that cannot be read
//! counts as a pin without an end, and so does a damaged file: an image that an operator protected must not be evicted because a file was damaged.

use super::{Directory, SmallFiles, names};
use image_cache_model::{ImageId, hides, printable, system_time, timestamp};
use std::cell::OnceCell;
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
#[non_exhaustive]
pub struct Pin {
    /// Its name: 1 to 64 printable bytes. An image has at most one pin of a name.
    pub name: String,
    /// When it ends; `None` if it has no end. Precise to microseconds.
    pub until: Option<SystemTime>,
}

impl Pin {
    /// A pin of this name that ends at `until`, or has no end.
    pub fn new(name: impl Into<String>, until: Option<SystemTime>) -> Pin {
        Pin { name: name.into(), until }
    }
}

/// A pinned image, which need not be cached.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
    /// The pins of images. Pins that are added later, by this process or another, are seen too.
    ///
    /// # Errors
    /// If their folder cannot be opened.
    pub fn pins(&self) -> io::Result<Pins<'_>> {
        let pins = Pins { directory: self, files: OnceCell::new() };
        pins.look()?;
        Ok(pins)
    }

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
        PinFiles(self.small_files(names::in_own(names::PINS))?).add(id, pin)
    }

    /// Removes the image's pin of this name, or all of its pins; returns the number of removed pins.
    ///
    /// # Errors
    /// If the pins cannot be read or written.
    pub fn unpin(&self, id: &ImageId, name: Option<&str>) -> io::Result<usize> {
        let _lock = self.lock()?;
        match self.existing_small_files(names::in_own(names::PINS))? {
            Some(files) => PinFiles(files).remove(id, name),
            None => Ok(0),
        }
    }
}

/// The pins of images, on disk.
#[derive(Debug)]
pub struct Pins<'a> {
    directory: &'a Directory,
    /// Empty while there was no pin yet.
    files: OnceCell<SmallFiles>,
}

impl Pins<'_> {
    /// Notices that the first pin was added. It is not in [`protects`](Self::protects), because that is asked for each image.
    ///
    /// # Errors
    /// If the folder of the pins cannot be opened.
    pub fn look(&self) -> io::Result<()> {
        if self.files.get().is_none()
            && let Some(files) = self.directory.existing_small_files(names::in_own(names::PINS))?
        {
            self.files.get_or_init(|| files);
        }
        Ok(())
    }

    /// Whether the image has a pin that has not ended. While the directory is locked, none can be added.
    ///
    /// # Errors
    /// If that cannot be read.
    pub fn protects(&self, id: &ImageId) -> io::Result<bool> {
        let Some(files) = self.files.get() else { return Ok(false) };
        Ok(!load(files, id.as_str(), SystemTime::now())?.is_empty())
    }

    /// At most `limit` pinned images, ascending by id, after `after`. The directory need not be locked.
    ///
    /// # Errors
    /// If the pins cannot be read.
    pub fn list(&self, after: Option<&str>, limit: usize) -> io::Result<Vec<PinnedImage>> {
        let Some(files) = self.files.get() else { return Ok(Vec::new()) };
        let mut names = files.names()?;
        names.retain(|name| after.is_none_or(|after| name.as_str() > after));
        names.sort_unstable();
        let (now, mut pinned) = (SystemTime::now(), Vec::new());
        for name in names {
            if pinned.len() >= limit {
                break;
            }
            // An entry that is no image's is not one of ours.
            let Ok(image_id) = name.parse() else { continue };
            let pins = load(files, &name, now)?;
            if !pins.is_empty() {
                pinned.push(PinnedImage { image_id, pins });
            }
        }
        Ok(pinned)
    }
}

/// The files of pins, while the directory is locked.
struct PinFiles(SmallFiles);

impl PinFiles {
    fn add(&self, id: &ImageId, pin: Pin) -> io::Result<()> {
        let PinFiles(files) = self;
        let now = SystemTime::now();
        if !files.has(id.as_str())? && files.names()?.len() >= MAX_IMAGES {
            self.remove_ended(now)?;
            if files.names()?.len() >= MAX_IMAGES {
                return Err(invalid(format!(
                    "{MAX_IMAGES} images are pinned already; remove pins that are no longer needed"
                )));
            }
        }
        let mut pins = load(files, id.as_str(), now)?;
        pins.retain(|known| known.name != pin.name);
        if pins.len() >= MAX_PINS {
            return Err(invalid(format!("the image has {MAX_PINS} pins already; remove one")));
        }
        pins.push(pin);
        save(files, id.as_str(), pins)
    }

    fn remove(&self, id: &ImageId, name: Option<&str>) -> io::Result<usize> {
        let PinFiles(files) = self;
        let mut pins = load(files, id.as_str(), SystemTime::now())?;
        let before = pins.len();
        pins.retain(|pin| name.is_some_and(|name| pin.name != name));
        let removed = before - pins.len();
        if removed > 0 {
            save(files, id.as_str(), pins)?;
        }
        Ok(removed)
    }

    /// Removes the files of images whose pins have all ended.
    fn remove_ended(&self, now: SystemTime) -> io::Result<()> {
        let PinFiles(files) = self;
        for name in files.names()? {
            if load(files, &name, now)?.is_empty() {
                files.remove(&name)?;
            }
        }
        Ok(())
    }
}

/// The pins of an image that have not ended at `now`. An entry that cannot be read as a file counts as a pin.
fn load(files: &SmallFiles, name: &str, now: SystemTime) -> io::Result<Vec<Pin>> {
    match files.load(name)? {
        Some(text) => Ok(parse(&text, now)),
        None if files.has(name)? => Ok(vec![damaged()]),
        None => Ok(Vec::new()),
    }
}

/// The pin that stands for a damaged file.
fn damaged() -> Pin {
    Pin { name: "damaged".into(), until: None }
}

/// The pins in a file that have not ended at `now`. An empty file is damaged: a file without pins is removed.
fn parse(text: &[u8], now: SystemTime) -> Vec<Pin> {
    let text = String::from_utf8_lossy(text);
    if text.trim().is_empty() {
        return vec![damaged()];
    }
    let pins = text.lines().take(MAX_PINS).map(parse_line);
    pins.filter(|pin| pin.until.is_none_or(|until| until > now)).collect()
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

fn parse_line(line: &str) -> Pin {
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
        let pins = directory.pins().expect("they open");
        let pinned = pins.list(None, usize::MAX).expect("they are read");
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
        let pins = directory.pins().expect("they open");
        let pinned = pins.list(None, usize::MAX).expect("they are read");
        assert_eq!(pinned[0].pins.len(), 1);
        assert_eq!(pinned[0].until().map(timestamp), Some(timestamp(soon)));
        directory.pin(&id("a"), pin("endless", None)).expect("it is pinned");
        let pinned = pins.list(None, usize::MAX).expect("they are read");
        assert_eq!(pinned[0].until(), None);
    }

    #[test]
    fn names_that_could_forge_lines_are_refused_and_damaged_lines_protect() {
        let (place, directory) = cache();
        for name in ["", "a\tb", "a\nb", &"n".repeat(65)] {
            assert!(directory.pin(&id("a"), pin(name, None)).is_err(), "{name:?}");
        }
        assert_eq!(names_of(&directory), []);
        let folder = place.path().join(names::PINS);
        std::fs::create_dir(&folder).expect("it can be made");
        let path = folder.join("a");
        for damage in [&b"half a li\xff"[..], b"", &[b'x'; 2 << 20]] {
            std::fs::write(&path, damage).expect("it can be written");
            assert_eq!(names_of(&directory).len(), 1);
        }
        assert_eq!(directory.unpin(&id("a"), None).expect("it is removed"), 1);
        assert_eq!(names_of(&directory), []);
    }

    #[test]
    fn pins_that_have_ended_make_room_for_others() {
        let (place, directory) = cache();
        directory.pin(&id("first"), pin("endless", None)).expect("it is pinned");
        let folder = place.path().join(names::PINS);
        for number in 1..MAX_IMAGES {
            std::fs::write(folder.join(format!("ended-{number}")), b"a\t1\n").expect("written");
        }
        directory.pin(&id("last"), pin("endless", None)).expect("there is room");
        let files = std::fs::read_dir(folder).expect("it is read").count();
        assert_eq!((files, names_of(&directory).len()), (2, 2));
    }
}
