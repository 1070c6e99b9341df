//! Names, counters and locks of attributes.

use super::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A cache with the image `a`; `None`, with a message, if its file system does not support attributes.
fn cache() -> Option<(tempfile::TempDir, Images)> {
    let place = tempfile::tempdir().expect("a directory");
    let directory =
        Arc::new(Directory::open(place.path(), Path::new("cache.db")).expect("it opens"));
    std::fs::write(place.path().join("a"), "image").expect("it is writable");
    if probe(&directory).is_err() {
        eprintln!("SKIPPED: {} does not support user attributes", place.path().display());
        return None;
    }
    Some((place, Images::new(directory)))
}

fn attributes(names: NameSpace) -> Attributes {
    let deadline = Deadline::default();
    deadline.set(Instant::now() + std::time::Duration::from_secs(60));
    Attributes::new(names, deadline)
}

#[test]
fn only_an_explicit_error_means_that_attributes_are_unsupported() {
    let probed = |errno: rustix::io::Errno| keeps_attributes(Err(errno.into()));
    assert!(keeps_attributes(Ok(())).expect("an answer"));
    assert!(!probed(rustix::io::Errno::NOTSUP).expect("an answer"));
    assert!(probed(rustix::io::Errno::NOSPC).expect("an answer"), "a full disk supports them");
    for errno in [rustix::io::Errno::IO, rustix::io::Errno::ACCESS, rustix::io::Errno::MFILE] {
        let error = probed(errno).expect_err("no answer");
        assert_eq!(error.raw_os_error(), Some(errno.raw_os_error()));
    }
}

#[test]
fn counters_lose_nothing_between_handles_and_threads() {
    let Some((_place, mut images)) = cache() else { return };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut attributes = attributes(NameSpace::Glance);
                let mut images = Images::new(Arc::clone(&images.directory));
                for _ in 0..50 {
                    attributes.add(&mut images, "a", "hits", 1).expect("it counts");
                }
            });
        }
    });
    let hits = attributes(NameSpace::Glance).get(&mut images, "a", "hits").expect("an attribute");
    assert_eq!(hits, Some(b"200".to_vec()));
}

#[test]
fn a_malformed_number_counts_as_0_and_sums_do_not_wrap() {
    let Some((_place, mut images)) = cache() else { return };
    let mut attributes = attributes(NameSpace::Glance);
    for (value, delta, sum) in
        [("7", 1, 8), ("seven", 1, 1), (" 12 ", -2, 10), ("9223372036854775807", 1, i64::MAX)]
    {
        attributes.set(&images, "a", "hits", value.as_bytes()).expect("it is set");
        assert_eq!(
            attributes.add(&mut images, "a", "hits", delta).expect("it counts"),
            sum,
            "{value}"
        );
    }
    attributes.remove(&images, "a", "hits").expect("it is removed");
    attributes.remove(&images, "a", "hits").expect("it is missing");
    assert_eq!(attributes.add(&mut images, "a", "hits", 5).expect("it counts"), 5);
}

#[test]
fn each_driver_has_its_own_names() {
    let mine = NameSpace::Driver(safe_name("mine"));
    assert_eq!(mine.full("hits").expect("a name"), "user.image-cache.mine.hits");
    for name in ["", "a/b", "a b", "ü", &"x".repeat(65), "a\0"] {
        assert!(matches!(mine.full(name), Err(CapabilityError::InvalidArgument)), "{name:?}");
    }
    assert_eq!(NameSpace::Glance.full("checksum").expect("a name"), "user.checksum");
    assert!(matches!(NameSpace::Glance.full("other"), Err(CapabilityError::Denied)));
    for other in ["mine.wasm", "/opt/mine", "/opt/drivers/mine.wasm", "/srv/drivers/mine.wasm"] {
        assert_ne!(safe_name(other), "mine", "{other}");
    }
    assert_ne!(safe_name("/opt/drivers/mine.wasm"), safe_name("/srv/drivers/mine.wasm"));
    assert_ne!(safe_name("m\u{e4}ine"), safe_name("m\u{f6}ine"));
    assert!(safe_name(&"x".repeat(500)).len() < 64);
}

#[test]
fn the_number_and_length_of_attributes_are_limited() {
    let Some((_place, mut images)) = cache() else { return };
    let mut attributes = attributes(NameSpace::Driver("mine".into()));
    let long = vec![b'x'; MAX_VALUE + 1];
    assert!(matches!(attributes.set(&images, "a", "long", &long), Err(CapabilityError::TooLarge)));
    for n in 0..MAX_ATTRIBUTES {
        match attributes.set(&images, "a", &format!("n{n}"), b"1") {
            // Some file systems allow fewer.
            Err(CapabilityError::Full) => return,
            other => other.expect("there is room"),
        }
    }
    assert!(matches!(attributes.set(&images, "a", "more", b"1"), Err(CapabilityError::TooLarge)));
    assert!(matches!(attributes.add(&mut images, "a", "more", 1), Err(CapabilityError::TooLarge)));
    attributes.set(&images, "a", "n1", b"2").expect("an existing one may change");
}

#[test]
fn a_missing_image_is_not_found_and_an_invalid_id_is_an_invalid_argument() {
    let Some((_place, mut images)) = cache() else { return };
    let attributes = attributes(NameSpace::Glance);
    assert!(matches!(attributes.get(&mut images, "b", "hits"), Err(CapabilityError::NotFound)));
    for id in ["../a", "cache.db", "", "incomplete"] {
        assert!(
            matches!(
                attributes.get(&mut images, id, "hits"),
                Err(CapabilityError::InvalidArgument)
            ),
            "{id:?}"
        );
    }
}

#[test]
fn the_file_that_is_read_is_the_current_one() {
    let Some((place, mut images)) = cache() else { return };
    let mut attributes = attributes(NameSpace::Glance);
    attributes.set(&images, "a", "hits", b"1").expect("it is set");
    let read = |images: &mut Images| attributes.get(images, "a", "hits");
    assert!(matches!(read(&mut images), Ok(Some(hits)) if hits == b"1"));
    std::fs::remove_file(place.path().join("a")).expect("it is removed");
    assert!(matches!(read(&mut images), Err(CapabilityError::NotFound)));
    std::fs::write(place.path().join("a"), "another").expect("it is writable");
    assert!(matches!(read(&mut images), Ok(None)));
}
