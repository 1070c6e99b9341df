//! Tries to access attributes of other drivers, and files that are not images.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::stopped;

#[derive(Default)]
struct Snoops;

impl image_cache_guest_hostile::Hostile for Snoops {
    const EXPORT: &'static str = "select-victims";

    fn misbehave() -> Result<(), Error> {
        let Some(file) = files::list_cached()?.next(1)?.pop() else { return Ok(()) };
        let id = file.image_id.as_str();
        let wrong = &[Error::InvalidArgument];
        for name in ["", "../hits", "a/b", "a\0", "user hits", "h\u{e4}ts", &"x".repeat(65)] {
            stopped(name, attributes::set(id, name, b"1"), wrong);
        }
        // These names are valid in the driver's own namespace.
        for name in ["hits", "user.hits", "checksum", "security.capability"] {
            attributes::set(id, name, b"1000000")?;
        }
        let paths = ["../outside.db", "/etc/passwd", "cache.db", ".image-cache", "queue", ".."];
        for path in paths {
            stopped(path, attributes::get(path, "hits"), wrong);
            stopped(path, files::stat(path), wrong);
            stopped(path, files::set_accessed(path, 1), wrong);
        }
        // The last two exist in the test: a directory, and a link to a file outside.
        for id in ["nobody-cached-this", "a-directory", "a-link"] {
            let gone = &[Error::NotFound];
            stopped(id, attributes::set(id, "hits", b"1"), gone);
            stopped(id, files::set_accessed(id, 1), gone);
            assert_eq!(files::stat(id), Ok(None), "not stopped: {id}");
        }
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Snoops);
