//! The files of a database, and what happens to invalid ones.

use super::*;

#[test]
fn the_file_has_the_mode_of_other_files_and_no_link_is_followed() {
    let records = records();
    let mode = |name: &str| rustix::fs::stat(records.base.join(name)).expect("it exists").st_mode;
    assert_eq!(mode("cache.db") & 0o777, (mode("") & 0o666) | 0o600);
    let directory =
        Arc::new(Directory::open(&records.base, Path::new("cache.db")).expect("it opens"));
    let target = tempfile::NamedTempFile::new().expect("a file");
    std::os::unix::fs::symlink(target.path(), records.base.join("link.db")).expect("it links");
    std::fs::create_dir(records.base.join("folder.db")).expect("it is created");
    for name in ["link.db", "folder.db"] {
        let mut database = Database::new(
            Arc::clone(&directory),
            &DatabasePath::InBase(name.into()),
            1 << 30,
            records.deadline.clone(),
        );
        let error = database.query(&text("SELECT 1")).expect_err("it is no regular file");
        assert!(format!("{error:?}").contains("no regular file"), "{error:?}");
    }
}

#[test]
fn a_lock_file_that_another_process_linked_keeps_its_mode() {
    let records = records();
    let lock = records.base.join(".image-cache/database.lock");
    let elsewhere = records.base.join("elsewhere");
    std::fs::write(&elsewhere, "").expect("a file");
    rustix::fs::chmod(&elsewhere, 0o640.into()).expect("its mode changes");
    std::fs::remove_file(&lock).expect("it was made with the first database");
    std::fs::hard_link(&elsewhere, &lock).expect("it links");
    of_a_driver(&records, 1 << 30).execute(&text("CREATE TABLE t(x)")).expect("it is created");
    assert_eq!(rustix::fs::stat(&elsewhere).expect("it exists").st_mode & 0o777, 0o640);
}

#[test]
fn records_of_other_drivers_are_in_their_own_directory() {
    let records = records();
    let directory =
        Arc::new(Directory::open(&records.base, Path::new("cache.db")).expect("it opens"));
    let mut database = Database::new(
        directory,
        &DatabasePath::OfDriver("mine.db".into()),
        1 << 30,
        records.deadline.clone(),
    );
    database.execute(&text("CREATE TABLE t(x)")).expect("it is created");
    assert!(records.base.join(".image-cache/drivers/mine.db").is_file());
}

#[test]
fn a_replaced_database_is_opened_again_at_the_next_call() {
    let mut records = records();
    records.database.execute(&text("INSERT INTO t(v) VALUES (1)")).expect("it is inserted");
    for name in ["cache.db", "cache.db-wal", "cache.db-shm"] {
        std::fs::rename(records.base.join(name), records.base.join(format!(".image-cache/{name}")))
            .expect("it moves");
    }
    records.database.begin_call();
    let tables = records
        .database
        .query(&text("SELECT count(*) FROM sqlite_schema"))
        .expect("a new database");
    assert_eq!(format!("{:?}", tables.rows), "[[Value::Integer(0)]]");
}

#[test]
fn a_file_that_is_not_a_database_is_reported_as_corrupt_and_quarantined() {
    let mut records = records();
    drop(records.database.open.take());
    std::fs::write(
        records.base.join("cache.db"),
        "no database, and long enough to be looked at".repeat(100),
    )
    .expect("written");
    std::fs::write(records.base.join("cache.db-journal"), "").expect("written");
    records.database.begin_call();
    assert_eq!(arm(&records.database.query(&text("SELECT 1")).expect_err("it is none")), "other");
    assert!(records.database.corruption().is_some_and(|words| words.contains("not a database")));
    let aside = records.database.quarantine().expect("it moves").expect("it is no database");
    assert!(aside.is_file() && !records.base.join("cache.db").exists());
    records.database.begin_call();
    records.database.query(&text("SELECT 1")).expect("a new one");
    assert_eq!(records.database.quarantine().expect("nothing to do"), None);
    assert!(records.base.join("cache.db").exists());
}

#[test]
fn no_space_for_the_index_of_the_log_means_a_full_storage() {
    let no_room = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    let fault = SqlFault::Sqlite(rusqlite::Error::SqliteFailure(no_room, None));
    assert_eq!(arm(&records().database.note_fault(fault)), "full");
}

#[test]
fn an_intact_database_is_not_quarantined_at_the_first_read_failure() {
    let mut records = records();
    let quarantine = |records: &mut Records| {
        // SQLite's message for a page that the disk could not read.
        let malformed = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        records
            .database
            .note_fault(SqlFault::Sqlite(rusqlite::Error::SqliteFailure(malformed, None)));
        records.database.quarantine().expect("it is readable")
    };
    assert_eq!(quarantine(&mut records), None);
    assert!(records.base.join("cache.db").exists());
    records.database.begin_call();
    records.database.query(&text("SELECT * FROM t")).expect("the table still exists");
    assert!(quarantine(&mut records).is_some_and(|aside| aside.is_file()), "the second");
}
