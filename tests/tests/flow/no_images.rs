//! Entries of the directory that are not images: never counted, listed, adopted, removed or served.

use image_cache::{CacheSize, Expected, ImageCache};
use image_cache_tests::{TempCache, Tested, fill, listed, queued, with_both_drivers};
use rustix::fs::{CWD, FileType, Mode};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

with_both_drivers![
    an_entry_that_is_not_a_regular_file_is_not_an_image,
    an_entry_that_is_not_a_regular_file_is_not_an_image_after_reopening,
    files_under_names_that_are_no_ids_are_left_alone,
    an_entry_that_is_not_a_regular_file_is_not_queued,
    a_symbolic_link_leads_no_writer_out_of_the_directory,
];

const IDS: [&str; 6] = ["directory", "link", "dangling", "loop", "pipe", "socket"];

/// One entry of each kind, with an image's name.
fn make(folder: &Path, outside: &Path) -> Tested {
    fs::create_dir(folder.join("directory"))?;
    fs::write(folder.join("directory/file"), "in a directory")?;
    symlink(outside, folder.join("link"))?;
    symlink("nowhere", folder.join("dangling"))?;
    symlink("loop", folder.join("loop"))?;
    rustix::fs::mknodat(CWD, folder.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    UnixListener::bind(folder.join("socket"))?;
    Ok(())
}

fn assert_no_images(temp: &TempCache, cache: &ImageCache) -> Tested {
    for id in IDS {
        assert!(!cache.is_cached(id)? && !cache.is_being_cached(id)?, "{id}");
        assert_eq!(
            (cache.image_size(id)?, cache.hit_count(id)?, cache.cached_image(id)?),
            (None, 0, None),
            "{id}"
        );
        assert!(
            cache.open_for_read(id)?.is_none() && cache.open_range(id, 0..1)?.is_none(),
            "{id}"
        );
        assert!(!cache.delete_cached_image(id)?, "{id}");
    }
    assert_eq!((listed(cache), cache.cache_size()?), (vec![], CacheSize::default()));
    assert_eq!((cache.delete_all_cached_images()?, cache.prune()?.images), (0, 0));
    for id in IDS {
        assert!(fs::symlink_metadata(temp.path(id)).is_ok(), "{id} is still there");
    }
    Ok(())
}

fn an_entry_that_is_not_a_regular_file_is_not_an_image(temp: &TempCache) -> Tested {
    let outside = tempfile::NamedTempFile::new()?;
    fs::write(outside.path(), "outside")?;
    let cache = temp.open_with(|config| config.max_size(0));
    make(temp.dir(), outside.path())?;
    assert_no_images(temp, &cache)?;
    assert_eq!(fs::read(outside.path())?, b"outside");
    Ok(())
}

fn an_entry_that_is_not_a_regular_file_is_not_an_image_after_reopening(temp: &TempCache) -> Tested {
    let outside = tempfile::NamedTempFile::new()?;
    let cache = temp.open();
    // Records of images whose names are those of other entries now.
    IDS.iter().for_each(|id| drop(fill(&cache, id, b"image")));
    drop(cache);
    IDS.iter().try_for_each(|id| fs::remove_file(temp.path(id)))?;
    make(temp.dir(), outside.path())?;
    let cache = temp.open_with(|config| config.max_size(0));
    assert_no_images(temp, &cache)?;
    assert!(temp.records_in_sync().is_empty());
    assert!(outside.path().exists());
    Ok(())
}

fn files_under_names_that_are_no_ids_are_left_alone(temp: &TempCache) -> Tested {
    let not_utf8 = OsStr::from_bytes(b"\xff\xfe");
    let names = ["checkme", "image_cache_db_init", ".nfs0001", "cache.db-journal", "tab\tbed"];
    let cache = temp.open_with(|config| config.max_size(0));
    names.iter().for_each(|name| drop(temp.put(name, b"")));
    fs::write(temp.dir().join(not_utf8), "image")?;
    for folder in ["queue", "invalid", "incomplete"] {
        temp.put(&format!("{folder}/checkme"), b"");
        fs::write(temp.path(folder).join(not_utf8), "")?;
    }
    drop(cache);
    let cache = temp.open_with(|config| config.max_size(0));
    let status = cache.status()?;
    assert_eq!(
        (listed(&cache), queued(&cache), cache.cache_size()?),
        (vec![], vec![], CacheSize::default())
    );
    assert_eq!((status.queued, status.invalid, status.incomplete), (0, 0, 0));
    assert_eq!((cache.delete_all_cached_images()?, cache.delete_all_queued_images()?), (0, 0));
    assert_eq!(
        (cache.prune()?.images, cache.clean(Some(std::time::Duration::ZERO))?),
        (0, Default::default())
    );
    // SQLite removes the leftover journal of a database.
    for name in names.iter().filter(|name| !name.starts_with("cache.db")) {
        assert!(temp.path(name).exists(), "{name}");
    }
    assert!(temp.dir().join(not_utf8).exists());
    for folder in ["queue", "invalid", "incomplete"] {
        assert_eq!(temp.names(folder).len(), 2, "{folder}");
    }
    Ok(())
}

fn an_entry_that_is_not_a_regular_file_is_not_queued(temp: &TempCache) -> Tested {
    let outside = tempfile::NamedTempFile::new()?;
    let cache = temp.open();
    make(&temp.path("queue"), outside.path())?;
    for id in IDS {
        assert!(!cache.is_queued(id)? && !cache.delete_queued_image(id)?, "{id}");
    }
    assert_eq!((queued(&cache), cache.delete_all_queued_images()?), (vec![], 0));
    assert_eq!(temp.names("queue").len(), IDS.len());
    drop(cache);
    assert_eq!(queued(&temp.open()), [""; 0]);
    Ok(())
}

fn a_symbolic_link_leads_no_writer_out_of_the_directory(temp: &TempCache) -> Tested {
    let outside = tempfile::NamedTempFile::new()?;
    fs::write(outside.path(), "outside")?;
    let cache = temp.open();
    for folder in ["", "incomplete", "invalid"] {
        let id = format!("in-{folder}");
        symlink(outside.path(), temp.path(folder).join(&id))?;
        // The operation may succeed or fail, but only in the directory.
        let _ = cache.cache_image(&id, &b"written through"[..], Expected::nothing());
        let _ = cache.cache_image(&id, &b"written through"[..], Expected::nothing().with_size(1));
        assert_eq!(fs::read(outside.path())?, b"outside", "{id}");
    }
    Ok(())
}
