//! Notes of this process, of others, of processes that ended, and of a hostile owner of the directory.

use super::*;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::TempDir;

fn opened() -> (TempDir, Directory) {
    let place = tempfile::tempdir().expect("a directory");
    let directory = Directory::open(place.path(), Path::new("cache.db")).expect("it opens");
    (place, directory)
}

fn driver(version: &str) -> RunningDriver {
    RunningDriver {
        configured: "mine".into(),
        name: "mine".into(),
        own_name: "gdsf".into(),
        version: version.into(),
        sha256: "ab".repeat(32),
        since: crate::to_micros(SystemTime::now()),
        fallback: Some("it\ntraps".into()),
    }
}

fn notes(place: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.path().join(names::RUNNING)).expect("the folder is there");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

/// As if another process had written it: its name has another token.
fn of_another(path: &Path) -> PathBuf {
    let other = path.with_file_name("0123456789abcdef-1");
    fs::rename(path, &other).expect("it is there");
    other
}

#[test]
fn another_process_sees_the_driver_and_the_database_until_the_directory_is_closed() {
    let (place, directory) = opened();
    directory.note_database("mine.db").expect("it is noted");
    let before = notes(&place);
    let new = driver("1.0");
    directory.note_driver(new.clone(), Some("mine.db".into())).expect("it is noted");
    assert!(notes(&place).len() == 1 && notes(&place) != before, "it replaces the first note");
    assert_eq!(directory.running_elsewhere().expect("it is read"), [], "its own does not count");
    let other = of_another(&notes(&place)[0]);
    let seen = directory.running_elsewhere().expect("it is read");
    let shown = RunningDriver { fallback: Some("it\\ntraps".into()), ..new };
    let databases = BTreeSet::from(["mine.db".to_owned()]);
    let process = std::process::id();
    assert_eq!(seen, [RunningProcess { process, driver: Some(shown), databases }]);
    drop(directory);
    // Only the lock tells: the file has another name now, and was not removed.
    assert!(other.exists());
    let again = Directory::open(place.path(), Path::new("cache.db")).expect("it opens");
    assert_eq!(again.running_elsewhere().expect("it is read"), []);
    assert!(!other.exists(), "the note of a process that has ended is removed");
}

#[test]
fn a_note_is_removed_with_its_directory_and_an_unchanged_one_is_not_written_again() {
    let (place, directory) = opened();
    let new = driver("1.0");
    for _ in 0..2 {
        directory.note_driver(new.clone(), None).expect("it is noted");
    }
    let first = notes(&place);
    directory.note_driver(driver("2.0"), None).expect("it is noted");
    assert!(first.len() == 1 && notes(&place) != first);
    drop(directory);
    assert_eq!(notes(&place), <[PathBuf; 0]>::default());
}

#[test]
fn what_a_hostile_owner_puts_there_is_escaped_bounded_or_ignored() {
    let (place, directory) = opened();
    directory.note_database("mine.db").expect("it is noted");
    let folder = place.path().join(names::RUNNING);
    fs::create_dir(folder.join("folder")).expect("a folder");
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).expect("a link");
    let mut held = Vec::new();
    let texts = [
        "process 7\nname \u{1b}[2Jx\nsince 5\nunknown key\nno-space\n".to_owned(),
        "process -1\nname x\n".to_owned(),
        "process 8\nsince soon\nname x\n".to_owned(),
        "process 9\n".to_owned() + &"database x\n".repeat(100),
        String::new(),
        "process 10\nname ".to_owned() + &"x".repeat(64 << 10),
    ];
    for (number, text) in texts.iter().enumerate() {
        let path = folder.join(number.to_string());
        fs::write(&path, text).expect("a file");
        let file = File::open(&path).expect("it is there");
        file.try_lock().expect("it is free");
        held.push(file);
    }
    let mut seen = directory.running_elsewhere().expect("it is read");
    seen.sort_by_key(|seen| seen.process);
    let [first, second] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((first.process, second.process), (7, 9));
    assert_eq!(first.driver.as_ref().map(|it| &*it.name), Some("\\u{1b}[2Jx"));
    assert_eq!(second.databases.len(), 1);
}

#[test]
fn opening_removes_the_notes_of_processes_that_were_killed_and_keeps_those_of_others() {
    let (place, directory) = opened();
    directory.note_driver(driver("1.0"), None).expect("it is noted");
    let folder = place.path().join(names::RUNNING);
    let of_running = folder.join("0123456789abcdef-0");
    let running = File::create(&of_running).expect("a file");
    running.lock().expect("it is free");
    let abandoned = [".new-0123456789abcdef", "fedcba9876543210-3"].map(|name| folder.join(name));
    for path in &abandoned {
        fs::write(path, "process 7\n").expect("a file");
    }
    let again = Directory::open(place.path(), Path::new("cache.db")).expect("it opens");
    again.note_driver(driver("1.0"), None).expect("it is noted");
    assert!(abandoned.iter().all(|path| !path.exists()), "{:?}", notes(&place));
    assert!(of_running.exists());
    assert_eq!(notes(&place).len(), 3);
}
