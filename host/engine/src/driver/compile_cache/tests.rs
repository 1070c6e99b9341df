//! Compiled code is found again, and never run if it is damaged or not ours.

use super::storage::{Access, MAX_ENTRIES, evict_oldest};
use super::*;
use rustix::fs::{CWD, FileType, Mode};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;

const COMPONENT: &str = "(component (core module (func (export \"f\"))))";

fn compiled(cache: &CompileCache) -> Compiled {
    let engine = engine::engine(Traps::Signals).expect("an engine");
    let bytes = wat::parse_str(COMPONENT).expect("valid text");
    cache.load_or_compile(engine, &bytes, &digest(&bytes)).expect("it compiles")
}

/// A private cache in this directory.
fn at(directory: PathBuf) -> CompileCache {
    CompileCache::At(directory, Access::Private)
}

fn is_compiled(compiled: &Compiled) -> bool {
    compiled.origin == CodeOrigin::Compiler
}

#[test]
fn nothing_is_compiled_the_second_time() {
    let place = tempfile::tempdir().expect("a directory");
    let cache = at(place.path().join("compiled"));
    let first = compiled(&cache);
    assert!(is_compiled(&first));
    assert_eq!(first.cache_fault, None);
    assert!(!is_compiled(&compiled(&cache)));
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
    let cache = at(directory.clone());
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
        assert!(is_compiled(&compiled(&cache)));
        assert!(!is_compiled(&compiled(&cache)));
    }
}

#[test]
fn a_special_file_or_another_components_code_is_compiled_again() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().join("compiled");
    let cache = at(directory.clone());
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
        assert!(is_compiled(&compiled(&cache)));
        assert!(!is_compiled(&compiled(&cache)));
    }
    assert_eq!(std::fs::read(&outside).expect("it exists"), code);
}

#[test]
fn a_directory_that_other_users_can_use_is_not_trusted() {
    let place = tempfile::tempdir().expect("a directory");
    let cache = at(place.path().join("compiled"));
    compiled(&cache);
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(place.path().join("compiled"), open).expect("the mode changes");
    let again = compiled(&cache);
    assert!(is_compiled(&again));
    assert!(again.cache_fault.is_some_and(|fault| fault.contains("0700")));
}

#[test]
fn a_shared_directory_is_used_unless_others_can_write_to_it() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("shared");
    let cache = CompileCache::of(&CompiledDrivers::Directory(path.clone()));
    compiled(&cache);
    let set_mode = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, mode).expect("the mode changes");
    };
    set_mode(0o755);
    assert_eq!(compiled(&cache).origin, CodeOrigin::Disk, "others may read it");
    for mode in [0o775, 0o757, 0o1777] {
        set_mode(mode);
        let again = compiled(&cache);
        assert!(is_compiled(&again), "{mode:o}");
        assert!(again.cache_fault.is_some_and(|fault| fault.contains("others can write")));
    }
    set_mode(0o755);
    let entry = only_entry(&path);
    std::fs::set_permissions(entry, std::fs::Permissions::from_mode(0o666)).expect("it changes");
    assert!(is_compiled(&compiled(&cache)), "others could have written the entry");
}

#[test]
fn without_a_directory_code_is_shared_in_memory_while_it_is_used() {
    let cache = CompileCache::of(&CompiledDrivers::None);
    // A component of this test alone.
    let bytes = wat::parse_str("(component (core module (func (export \"only-here\"))))");
    let bytes = bytes.expect("valid text");
    let compile = || cache.compile(Traps::Signals, &bytes, &digest(&bytes)).expect("it compiles");
    let first = compile();
    assert_eq!((first.origin, &first.cache_fault), (CodeOrigin::Compiler, &None));
    let second = compile();
    assert_eq!(second.origin, CodeOrigin::Memory);
    assert!(Arc::ptr_eq(&first.component, &second.component));
    let checks = cache.compile(Traps::Checks, &bytes, &digest(&bytes)).expect("it compiles");
    assert_eq!(checks.origin, CodeOrigin::Compiler, "it is another engine's");
    drop((first, second));
    assert_eq!(compile().origin, CodeOrigin::Compiler, "nobody used it any more");
}

#[test]
fn threads_that_need_the_same_code_compile_it_once() {
    let cache = CompileCache::of(&CompiledDrivers::None);
    let bytes = wat::parse_str("(component (core module (func (export \"by-threads\"))))");
    let bytes = bytes.expect("valid text");
    let compiled: Vec<Compiled> = std::thread::scope(|scope| {
        let compile = || cache.compile(Traps::Signals, &bytes, &digest(&bytes));
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(compile)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        joined.map(|compiled| compiled.expect("it compiles")).collect()
    });
    assert_eq!(compiled.iter().filter(|compiled| is_compiled(compiled)).count(), 1);
}

#[test]
fn other_files_in_the_directory_stay() {
    let place = tempfile::tempdir().expect("a directory");
    for n in 0..MAX_ENTRIES + 5 {
        std::fs::write(place.path().join(format!("letter-{n}.txt")), b"").expect("it is writable");
    }
    evict_oldest(&Dir::open_path(place.path()).expect("it opens")).expect("nothing is removed");
    assert_eq!(std::fs::read_dir(place.path()).expect("a list").count(), MAX_ENTRIES + 5);
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
