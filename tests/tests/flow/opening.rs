//! Opening a cache: which files it creates, and which warnings and errors it reports.

use image_cache::{Error, ImageCache};
use image_cache_tests::{
    Mount, TempCache, Tested, bytes, fill, is_root, listed, queued, serve, set_times, skip,
    with_both_drivers,
};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::sync::Barrier;
use std::thread;

/// New directories, and the caches that are opened in each at once.
const ROUNDS: usize = 5;
const OPENERS: usize = 6;

with_both_drivers![
    a_missing_directory_is_made_with_its_own,
    a_file_where_a_directory_should_be_is_an_error_that_names_it,
    a_link_to_a_directory_is_followed_only_for_the_base,
    a_read_only_file_system_is_an_error_that_names_the_directory,
    a_directory_of_another_user_is_an_error_that_names_it,
    a_user_who_is_not_root_can_use_a_cache_with_an_image_of_root,
    users_share_a_cache_that_all_of_them_may_write_to,
    a_full_file_system_is_an_error_or_works,
    a_cache_on_a_full_file_system_is_looked_at_and_emptied,
    several_caches_share_a_directory,
    a_new_directory_can_be_opened_many_times_at_once,
    files_of_other_programs_in_the_directory_stay,
];

/// Opening fails, and the error names the path and the remedy.
fn refusal(temp: &TempCache) -> Result<(io::ErrorKind, String), Box<dyn std::error::Error>> {
    match ImageCache::open(temp.config().build()?) {
        Err(error) => {
            let Error::Directory { source, .. } = &error else { panic!("{error:?}") };
            Ok((source.kind(), error.to_string()))
        }
        Ok(cache) => panic!("it opens: {:?}", cache.status()),
    }
}

fn a_missing_directory_is_made_with_its_own(temp: &TempCache) -> Tested {
    let nested = TempCache::at(temp.driver(), temp.path("not/there/yet"));
    let cache = nested.open();
    let names = nested.names("");
    for name in ["incomplete", "invalid", "queue", ".image-cache"] {
        assert!(names.contains(name) && nested.path(name).is_dir(), "{name} in {names:?}");
    }
    assert_eq!((listed(&cache).len(), cache.status()?.warnings.len()), (0, 0));
    let mode = fs::metadata(nested.dir())?.permissions().mode();
    assert_eq!(mode & 0o007, 0, "other users must not read images: {mode:o}");
    Ok(())
}

fn a_file_where_a_directory_should_be_is_an_error_that_names_it(temp: &TempCache) -> Tested {
    fs::write(temp.dir(), "a file")?;
    let (kind, words) = refusal(temp)?;
    assert_eq!(kind, io::ErrorKind::NotADirectory, "{words}");
    assert!(
        words.contains(&temp.dir().display().to_string()) && words.contains("image_cache_dir"),
        "{words}"
    );
    assert_eq!(fs::read(temp.dir())?, b"a file");
    fs::remove_file(temp.dir())?;
    for name in ["incomplete", "invalid", "queue", ".image-cache"] {
        let file = temp.put(name, b"a file");
        let (_, words) = refusal(temp)?;
        assert!(
            words.contains(&file.display().to_string()) && words.contains("move it away"),
            "{words}"
        );
        assert_eq!(fs::read(&file)?, b"a file");
        fs::remove_file(file)?;
    }
    drop(temp.open());
    Ok(())
}

fn a_link_to_a_directory_is_followed_only_for_the_base(temp: &TempCache) -> Tested {
    let real = tempfile::tempdir()?;
    symlink(real.path(), temp.dir())?;
    let cache = temp.open();
    fill(&cache, "a", b"image");
    drop(cache);
    assert_eq!(fs::read(real.path().join("a"))?, b"image");
    let elsewhere = tempfile::tempdir()?;
    fs::remove_dir(temp.path("incomplete"))?;
    symlink(elsewhere.path(), temp.path("incomplete"))?;
    let (_, words) = refusal(temp)?;
    assert!(words.contains("incomplete"), "{words}");
    assert_eq!(fs::read_dir(elsewhere.path())?.count(), 0);
    Ok(())
}

fn a_read_only_file_system_is_an_error_that_names_the_directory(temp: &TempCache) -> Tested {
    let Some(mount) = Mount::tmpfs(4 << 20) else { return Ok(()) };
    let temp = &TempCache::at(temp.driver(), mount.path().join("cache"));
    fill(&temp.open(), "a", b"image");
    let new = TempCache::at(temp.driver(), mount.path().join("new"));
    mount.make_read_only()?;
    for temp in [temp, &new] {
        let (kind, words) = refusal(temp)?;
        assert_eq!(kind, io::ErrorKind::ReadOnlyFilesystem, "{words}");
        assert!(
            words.contains(&temp.dir().display().to_string())
                && words.contains("mount it writable"),
            "{words}"
        );
    }
    Ok(())
}

/// Runs as another user, under the test below.
#[test]
fn opening_as_another_user() -> Tested {
    let Some(temp) = TempCache::of_parent() else { return Ok(()) };
    let (kind, words) = refusal(&temp)?;
    println!("\nrefused: {kind:?}: {words}");
    Ok(())
}

/// Runs as another user, in a directory of this user, under the test below.
#[test]
fn caching_as_another_user() -> Tested {
    let Some(temp) = TempCache::of_parent() else { return Ok(()) };
    let cache = temp.open();
    fill(&cache, "b", b"image");
    assert_eq!(
        (serve(&cache, "b")?, serve(&cache, "root-s")?),
        (b"image".to_vec(), b"image".to_vec())
    );
    assert_eq!(temp.images().len(), 2);
    assert!(listed(&cache).contains(&"b".to_owned()));
    assert!(
        cache.is_cached("root-s")? && cache.queue_image("c")? && cache.delete_cached_image("b")?
    );
    println!("\nworks: {:?}", cache.driver().fallback);
    Ok(())
}

/// Runs as another user, in a directory to which every user may write, under the test below.
#[test]
fn sharing_with_another_user() -> Tested {
    let Some(temp) = TempCache::of_parent() else { return Ok(()) };
    for _ in 0..2 {
        let cache = temp.open();
        assert_eq!(serve(&cache, "readable")?, b"image");
        let listed = listed(&cache);
        assert!(listed.contains(&"readable".to_owned()), "{listed:?}");
    }
    let cache = temp.open();
    assert_eq!(cache.hit_count("readable")?, 2);
    for id in ["second", "third"] {
        assert!(cache.queue_image(id)? && !cache.queue_image(id)?);
    }
    println!("\nworks: {:?}", cache.driver().fallback);
    Ok(())
}

/// The text that a process of another user printed in the line that starts with this word.
fn of_another_user(
    temp: &TempCache,
    test: &str,
    word: &str,
) -> Result<Option<String>, Box<dyn std::error::Error>> {
    // The other user may enter this directory.
    let scratch = temp.dir().parent().ok_or("it is in a temporary directory")?;
    fs::set_permissions(scratch, fs::Permissions::from_mode(0o755))?;
    let output = match temp.in_child(test)?.uid(65_534).env_remove("HOME").output() {
        Ok(output) => output,
        Err(error) => {
            skip(&format!("another user cannot start this program: {error}"));
            return Ok(None);
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find(|line| line.starts_with(word));
    Ok(Some(
        line.unwrap_or_else(|| panic!("{said}\n{}", String::from_utf8_lossy(&output.stderr)))
            .to_owned(),
    ))
}

fn a_directory_of_another_user_is_an_error_that_names_it(temp: &TempCache) -> Tested {
    if !is_root("becoming another user") {
        return Ok(());
    }
    fill(&temp.open(), "a", b"image");
    // The other user may read, but not write.
    fs::set_permissions(temp.dir(), fs::Permissions::from_mode(0o755))?;
    if let Some(refused) = of_another_user(temp, "opening::opening_as_another_user", "refused:")? {
        assert!(
            refused.contains("PermissionDenied") && refused.contains("run as its owner"),
            "{refused}"
        );
        assert!(refused.contains(&temp.dir().display().to_string()), "{refused}");
    }
    Ok(())
}

fn a_user_who_is_not_root_can_use_a_cache_with_an_image_of_root(temp: &TempCache) -> Tested {
    if !is_root("becoming another user") {
        return Ok(());
    }
    let file = temp.put("root-s", b"image");
    fs::set_permissions(file, fs::Permissions::from_mode(0o644))?;
    chown(temp.dir(), Some(65_534), Some(65_534))?;
    if let Some(works) = of_another_user(temp, "opening::caching_as_another_user", "works:")? {
        assert_eq!(works, "works: None", "one file of root is no reason to replace the driver");
    }
    Ok(())
}

fn users_share_a_cache_that_all_of_them_may_write_to(temp: &TempCache) -> Tested {
    if !is_root("becoming another user") {
        return Ok(());
    }
    fs::create_dir(temp.dir())?;
    fs::set_permissions(temp.dir(), fs::Permissions::from_mode(0o777))?;
    let future = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let order = ["first", "second", "third", "fourth", "fifth"];
    {
        let cache = temp.open();
        ["readable", "hidden"].iter().for_each(|id| drop(fill(&cache, id, b"image")));
        cache.queue_image("first")?;
    }
    set_times(&temp.path("queue/first"), future, future)?;
    drop(temp.open());
    fs::set_permissions(temp.path("hidden"), fs::Permissions::from_mode(0o600))?;
    let test = "opening::sharing_with_another_user";
    let Some(works) = of_another_user(temp, test, "works:")? else { return Ok(()) };
    assert_eq!(works, "works: None");
    let cache = temp.open();
    assert!(cache.queue_image("fourth")? && cache.queue_image("fifth")?);
    assert_eq!(queued(&cache), order);
    assert_eq!((cache.hit_count("readable")?, listed(&cache).len()), (2, 2));
    // An entry whose time cannot be set is not added.
    fs::remove_file(temp.path(".image-cache/queue-clock"))?;
    fs::create_dir(temp.path(".image-cache/queue-clock"))?;
    assert!(cache.queue_image("sixth").is_err() && !cache.is_queued("sixth")?);
    assert_eq!(queued(&temp.open()), order);
    Ok(())
}

#[test]
fn an_unsupported_file_system_is_warned_of_and_works() -> Tested {
    let Some(mount) = Mount::ramfs() else { return Ok(()) };
    let temp = TempCache::at("sqlite", mount.path().join("cache"));
    let cache = temp.open();
    let warnings = cache.status()?.warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains(&temp.dir().display().to_string()) && warnings[0].contains("locks"),
        "{warnings:?}"
    );
    fill(&cache, "a", b"image");
    assert_eq!(serve(&cache, "a")?, b"image");
    assert_eq!(temp.records_in_sync()["a"].hits, 1);
    Ok(())
}

fn a_full_file_system_is_an_error_or_works(temp: &TempCache) -> Tested {
    let Some(mount) = Mount::tmpfs(1 << 20) else { return Ok(()) };
    let temp = &TempCache::at(temp.driver(), mount.path().join("cache"));
    temp.put("a", b"image");
    let hog = mount.path().join("hog");
    assert!(fs::write(&hog, bytes(1, 2 << 20)).is_err(), "it is full now");
    match ImageCache::open(temp.config().build()?) {
        // The directory needs no space; the records may need some.
        Ok(cache) => assert_eq!(serve(&cache, "a")?, b"image"),
        Err(error) => {
            assert_eq!(temp.driver(), "sqlite", "{error}");
            assert!(matches!(error, Error::NoDriver { .. }), "{error:?}");
            assert!(
                error.to_string().contains("sqlite") && error.to_string().contains("full"),
                "{error}"
            );
        }
    }
    fs::remove_file(hog)?;
    let cache = temp.open();
    assert_eq!((listed(&cache), serve(&cache, "a")?), (vec!["a".to_owned()], b"image".to_vec()));
    temp.records_in_sync();
    Ok(())
}

/// Fills the remaining space with other files.
fn use_up(mount: &Mount) {
    for (n, size) in [64 << 10, 4096, 1].into_iter().enumerate() {
        let mut options = fs::File::options();
        let hog = options.append(true).create(true).open(mount.path().join(format!("hog-{n}")));
        let Ok(mut hog) = hog else { return };
        while io::Write::write_all(&mut hog, &vec![1; size]).is_ok() {}
    }
}

fn a_cache_on_a_full_file_system_is_looked_at_and_emptied(temp: &TempCache) -> Tested {
    let Some(mount) = Mount::tmpfs(2 << 20) else { return Ok(()) };
    let temp = &TempCache::at(temp.driver(), mount.path().join("cache"));
    let (cache, ids) = (temp.open(), ["a", "b", "c", "d"]);
    ids.iter().for_each(|id| drop(fill(&cache, id, &bytes(1, 100_000))));
    drop(cache);
    use_up(&mount);
    let cache = temp.open_with(|config| config.max_size(200_000));
    assert_eq!((cache.status()?.cached.images, listed(&cache).len()), (4, 4));
    assert!(serve(&cache, "b")? == bytes(1, 100_000));
    // Another process is not locked out meanwhile.
    assert_eq!(listed(&temp.open()), ids);
    assert!(cache.delete_cached_image("a")?);
    use_up(&mount);
    let pruned = cache.prune()?;
    assert_eq!((pruned.images, pruned.kept.len()), (1, 0));
    assert_eq!(listed(&cache).len(), 2);
    drop(cache);
    drop(temp.open());
    assert_eq!(temp.records_in_sync().len(), 2);
    Ok(())
}

fn several_caches_share_a_directory(temp: &TempCache) -> Tested {
    let caches: Vec<ImageCache> = (0..4).map(|_| temp.open()).collect();
    for (n, cache) in caches.iter().enumerate() {
        fill(cache, &n.to_string(), b"image");
    }
    for cache in &caches {
        assert_eq!(listed(cache), ["0", "1", "2", "3"]);
        serve(cache, "0")?;
    }
    assert_eq!(caches[3].hit_count("0")?, 4);
    drop(caches);
    assert_eq!(temp.records_in_sync()["0"].hits, 4);
    Ok(())
}

fn a_new_directory_can_be_opened_many_times_at_once(temp: &TempCache) -> Tested {
    for round in 0..ROUNDS {
        let nested = TempCache::at(temp.driver(), temp.path(&format!("new-{round}")));
        let (config, start) = (nested.config().build()?, Barrier::new(OPENERS));
        let failed: Vec<String> = thread::scope(|scope| {
            let open = || {
                start.wait();
                let cache = ImageCache::open(config.clone()).map_err(|error| error.to_string())?;
                match cache.driver().fallback {
                    Some(fallback) => Err(format!("{fallback:?}")),
                    None => cache.cached_images().map(drop).map_err(|error| error.to_string()),
                }
            };
            let openers: Vec<_> = (0..OPENERS).map(|_| scope.spawn(open)).collect();
            let results = openers.into_iter().map(|opener| opener.join().expect("no panic"));
            results.filter_map(Result::err).collect()
        });
        assert!(failed.is_empty(), "round {round}: {failed:?}");
    }
    Ok(())
}

fn files_of_other_programs_in_the_directory_stay(temp: &TempCache) -> Tested {
    let kept = ["checkme", ".profile", "folder/file", "queue/.hidden"];
    kept.iter().for_each(|name| drop(temp.put(name, b"theirs")));
    drop(temp.open());
    let cache = temp.open_with(|config| config.max_size(0));
    cache.prune()?;
    cache.delete_all_cached_images()?;
    for name in kept {
        assert_eq!(fs::read(temp.path(name))?, b"theirs", "{name}");
    }
    Ok(())
}
