//! Compiled code is found again, and never run if it is damaged or not ours.

use super::storage::{MAX_ENTRIES, evict_oldest};
use super::*;
use rustix::fs::{CWD, FileType, Mode};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;

const COMPONENT: &str = "(component (core module (func (export \"f\"))))";

fn compiled(cache: &CompileCache) -> Compiled {
    let engine = engine::engine().expect("an engine");
    let bytes = wat::parse_str(COMPONENT).expect("valid text");
    cache.compile(engine, &bytes, &digest(&bytes)).expect("it compiles")
}

#[test]
fn nothing_is_compiled_the_second_time() {
    let place = tempfile::tempdir().expect("a directory");
    let cache = CompileCache::at(place.path().join("compiled"));
    let first = compiled(&cache);
    assert!(!first.from_cache);
    assert_eq!(first.cache_fault, None);
    assert!(compiled(&cache).from_cache);
}

/// The path of the only entry.
fn only_entry(directory: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(directory).expect("a list").flatten();
    entries.next().expect("it was stored").path()
}

#[test]
fn damaged_code_is_compiled_again() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().join("compiled");
    let cache = CompileCache::at(directory.clone());
    compiled(&cache);
    let path = only_entry(&directory);
    let whole = std::fs::read(&path).expect("it is readable");
    let flipped = |at: usize| {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        damaged
    };
    let longer = [&whole[..], b"x"].concat();
    let flips = (0..whole.len()).step_by(whole.len() / 16).map(flipped);
    let cut = [0, 1, whole.len() / 2, whole.len() - 1].map(|len| whole[..len].to_vec());
    for damaged in flips.chain(cut).chain([longer, b"damaged".to_vec()]) {
        std::fs::write(&path, damaged).expect("it is writable");
        assert!(!compiled(&cache).from_cache);
        assert!(compiled(&cache).from_cache);
    }
}

#[test]
fn a_special_file_or_another_components_code_is_compiled_again() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().join("compiled");
    let cache = CompileCache::at(directory.clone());
    compiled(&cache);
    let path = only_entry(&directory);
    let code = std::fs::read(&path).expect("it is readable");
    let other = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    assert!(entry::content(&code, &other).is_some() && entry::content(&code, "b").is_none());
    let outside = place.path().join("outside");
    std::fs::write(&outside, &code).expect("it is writable");
    let plants: [&dyn Fn(); 3] = [
        &|| std::os::unix::fs::symlink(&outside, &path).expect("a link"),
        &|| rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).expect("a pipe"),
        &|| {
            let file = File::create(&path).expect("a file");
            file.set_len(1 << 40).expect("it is sparse");
        },
    ];
    for plant in plants {
        std::fs::remove_file(&path).expect("it is removed");
        plant();
        assert!(!compiled(&cache).from_cache);
        assert!(compiled(&cache).from_cache);
    }
    assert_eq!(std::fs::read(&outside).expect("it exists"), code);
}

#[test]
fn a_directory_that_other_users_can_use_is_not_trusted() {
    let place = tempfile::tempdir().expect("a directory");
    let cache = CompileCache::at(place.path().join("compiled"));
    compiled(&cache);
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(place.path().join("compiled"), open).expect("the mode changes");
    let again = compiled(&cache);
    assert!(!again.from_cache);
    assert!(again.cache_fault.is_some_and(|fault| fault.contains("0700")));
}

#[test]
fn the_newest_entries_are_kept() {
    let place = tempfile::tempdir().expect("a directory");
    for n in 0..MAX_ENTRIES + 5 {
        std::fs::write(place.path().join(format!("{n}{ENTRY_SUFFIX}")), b"")
            .expect("it is writable");
    }
    let directory = Dir::open_path(place.path());
    evict_oldest(&directory.expect("it opens")).expect("old ones are removed");
    assert_eq!(std::fs::read_dir(place.path()).expect("a list").count(), MAX_ENTRIES);
}

#[test]
fn the_directory_of_the_service_precedes_that_of_the_user() {
    let both = |name: &str| match name {
        "CACHE_DIRECTORY" => Some("/var/cache/images:/var/cache/more".into()),
        "HOME" => Some("/home/somebody".into()),
        _ => None,
    };
    assert_eq!(of_environment(both), Some("/var/cache/images/compiled".into()));
    let home = |name: &str| (name == "HOME").then(|| "/home/somebody".into());
    assert_eq!(of_environment(home), Some("/home/somebody/.cache/image-cache/compiled".into()));
    assert_eq!(of_environment(|_| Some("relative".into())), None);
}
