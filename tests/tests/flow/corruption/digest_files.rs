//! The digest files: they are created and removed with their images.

use super::{MIB, digests, flip, refused};
use image_cache::{Expected, Trust};
use image_cache_tests::{TempCache, Tested, bytes, fill, serve, with_both_drivers};
use std::fs;
use std::process::Command;

with_both_drivers![
    a_copied_directory_keeps_its_digests,
    digests_are_removed_with_their_image,
    digests_without_an_image_are_removed,
];

fn a_copied_directory_keeps_its_digests(temp: &TempCache) -> Tested {
    let image = bytes(9, MIB + 77);
    fill(&temp.open(), "a", &image);
    for option in ["-a", "-r"] {
        let scratch = tempfile::tempdir()?;
        let copy = TempCache::at(temp.driver(), scratch.path().join("copy"));
        assert!(Command::new("cp").arg(option).args([temp.dir(), copy.dir()]).status()?.success());
        let cache = copy.open();
        assert_eq!(cache.trust("a")?, Some(Trust::Fetched), "cp {option}");
        assert!(serve(&cache, "a")? == image);
        flip(&copy.path("a"), MIB as u64 + 76)?;
        assert!(refused(&cache, "a") == image[..MIB], "cp {option}");
    }
    Ok(())
}

fn digests_are_removed_with_their_image(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_size(1000));
    for id in ["a", "b", "c", "d"] {
        fill(&cache, id, &bytes(17, 1000));
    }
    assert_eq!(digests(temp), 4);
    cache.delete_cached_image("a")?;
    assert_eq!(digests(temp), 3);
    assert_eq!(cache.prune()?.images, 2);
    assert_eq!(digests(temp), 1);
    cache.delete_all_cached_images()?;
    assert_eq!(digests(temp), 0);
    // Failed fetches also leave no digest files.
    assert!(cache.cache_image("e", &b"image"[..], Expected::nothing().with_size(9)).is_err());
    drop(cache.caching_reader("f", &b"image"[..], Expected::nothing())?);
    assert_eq!(digests(temp), 0);
    Ok(())
}

fn digests_without_an_image_are_removed(temp: &TempCache) -> Tested {
    let folder = ".image-cache/blocks";
    let leave = || -> Tested {
        let cache = temp.open();
        fill(&cache, "kept", b"image");
        fill(&cache, "gone", b"image");
        drop(cache);
        fs::remove_file(temp.path("gone"))?;
        temp.put(&format!("{folder}/0123456789abcdef0123456789abcdef"), b"torn");
        // The files of a writer that was killed.
        temp.put(&format!("{folder}/0123456789abcdef0123456789abcdef.77-0.new"), b"torn");
        temp.put(&format!("{folder}/not ours"), b"");
        // A file that cannot be removed does not prevent removing others.
        fs::create_dir_all(temp.path(&format!("{folder}/00000000000000000000000000000000")))?;
        assert_eq!(digests(temp), 6);
        Ok(())
    };
    leave()?;
    let cache = temp.open();
    assert_eq!(digests(temp), 3);
    cache.delete_cached_image("kept")?;
    let open = temp.open();
    leave()?;
    open.clean(None)?;
    assert_eq!((digests(temp), open.trust("kept")?), (3, Some(Trust::Fetched)));
    Ok(())
}
