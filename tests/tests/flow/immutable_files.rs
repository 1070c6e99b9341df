//! Immutable files, which not even root can change or remove: the cache reports them, and continues with the others.

use image_cache::{Error, Expected};
use image_cache_tests::{
    TempCache, Tested, bytes, fill, is_root, listed, serve, set_times, skip, with_both_drivers,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

with_both_drivers![
    deleting_a_file_that_cannot_be_removed_is_an_error_that_names_it,
    deleting_all_skips_files_that_cannot_be_removed,
    pruning_keeps_and_names_files_that_cannot_be_removed,
    cleaning_keeps_and_names_files_that_cannot_be_removed,
    one_file_that_cannot_be_recorded_does_not_prevent_adopting_others,
    hits_of_one_file_that_cannot_be_changed_do_not_keep_others_from_being_counted,
];

/// A file that not even root can change; changeable again when this is dropped.
struct Immutable(PathBuf);

impl Immutable {
    fn new(path: &Path) -> Option<Immutable> {
        if !is_root("a file that cannot be changed") {
            return None;
        }
        let changed = Command::new("chattr").arg("+i").arg(path).output();
        if !changed.as_ref().is_ok_and(|output| output.status.success()) {
            skip(&format!("chattr +i does not work here: {changed:?}"));
            return None;
        }
        Some(Immutable(path.to_owned()))
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg("-i").arg(&self.0).output();
    }
}

fn deleting_a_file_that_cannot_be_removed_is_an_error_that_names_it(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "stuck", b"image");
    let Some(_stuck) = Immutable::new(&temp.path("stuck")) else { return Ok(()) };
    match cache.delete_cached_image("stuck") {
        Err(Error::Image { image_id, .. }) => assert_eq!(image_id.as_str(), "stuck"),
        other => panic!("{other:?}"),
    }
    assert!(cache.is_cached("stuck")? && listed(&cache) == ["stuck"]);
    temp.records_in_sync();
    Ok(())
}

fn deleting_all_skips_files_that_cannot_be_removed(temp: &TempCache) -> Tested {
    let cache = temp.open();
    ["a", "stuck", "z"].iter().for_each(|id| drop(fill(&cache, id, b"image")));
    let Some(_stuck) = Immutable::new(&temp.path("stuck")) else { return Ok(()) };
    // The result may count as one failed image or as two removed ones.
    let _ = cache.delete_all_cached_images();
    assert_eq!(listed(&cache), ["stuck"]);
    assert!(temp.records_in_sync().contains_key("stuck"));
    Ok(())
}

fn pruning_keeps_and_names_files_that_cannot_be_removed(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_size(15));
    ["stuck", "b", "c", "d"].iter().for_each(|id| drop(fill(&cache, id, b"image")));
    let Some(_stuck) = Immutable::new(&temp.path("stuck")) else { return Ok(()) };
    let pruned = cache.prune()?;
    assert_eq!((pruned.images, pruned.bytes), (1, 5), "the next one is evicted instead");
    let kept: Vec<&str> = pruned.kept.iter().map(|kept| kept.image_id.as_str()).collect();
    assert_eq!(kept, ["stuck"]);
    let reason = &pruned.kept[0].reason;
    assert_eq!(reason.kind(), std::io::ErrorKind::PermissionDenied, "{reason}");
    assert_eq!(listed(&cache), ["c", "d", "stuck"]);
    Ok(())
}

fn cleaning_keeps_and_names_files_that_cannot_be_removed(temp: &TempCache) -> Tested {
    let cache = temp.open();
    ["invalid/a", "invalid/stuck", "invalid/z"]
        .iter()
        .for_each(|name| drop(temp.put(name, b"image")));
    let Some(_stuck) = Immutable::new(&temp.path("invalid/stuck")) else { return Ok(()) };
    let cleaned = cache.clean(None)?;
    let kept: Vec<&str> = cleaned.kept.iter().map(|kept| kept.image_id.as_str()).collect();
    assert_eq!((cleaned.invalid, cleaned.bytes, kept), (2, 10, vec!["stuck"]));
    // The image can still be fetched, and a second failure can still be quarantined.
    assert!(cache.cache_image("stuck", &b"image"[..], Expected::nothing().with_size(1)).is_err());
    fill(&cache, "stuck", b"image");
    assert!(temp.names("incomplete").is_empty());
    Ok(())
}

fn one_file_that_cannot_be_recorded_does_not_prevent_adopting_others(temp: &TempCache) -> Tested {
    for id in ["a", "b", "c"] {
        let old = SystemTime::now() - Duration::from_secs(1000);
        set_times(&temp.put(id, b"image"), old, old)?;
    }
    let Some(_stuck) = Immutable::new(&temp.path("a")) else { return Ok(()) };
    let cache = temp.open();
    let images = listed(&cache);
    assert!(images.ends_with(&["b".to_owned(), "c".to_owned()]), "{images:?}");
    for id in ["a", "b", "c"] {
        assert_eq!(serve(&cache, id)?, b"image");
    }
    assert_eq!((cache.hit_count("b")?, cache.hit_count("c")?), (1, 1));
    assert_eq!(cache.driver().fallback, None);
    Ok(())
}

fn hits_of_one_file_that_cannot_be_changed_do_not_keep_others_from_being_counted(
    temp: &TempCache,
) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 100));
    fill(&cache, "stuck", &image);
    fill(&cache, "b", &image);
    let Some(_stuck) = Immutable::new(&temp.path("stuck")) else { return Ok(()) };
    for hits in 1..=10 {
        assert!(serve(&cache, "stuck")? == image && serve(&cache, "b")? == image);
        assert_eq!(cache.hit_count("b")?, hits);
    }
    assert_eq!(cache.driver().fallback, None, "one file is no reason to replace the driver");
    Ok(())
}
