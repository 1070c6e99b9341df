//! The files of a database: which they are, and what becomes of one that is not what it should be.

use super::*;

#[test]
fn the_file_is_like_the_cache_s_other_files_and_no_link_is_followed() {
    let books = books();
    let mode = |name: &str| rustix::fs::stat(books.base.join(name)).expect("it is there").st_mode;
    assert_eq!(mode("cache.db") & 0o777, (mode("") & 0o666) | 0o600);
    let directory =
        Arc::new(Directory::open(&books.base, Path::new("cache.db")).expect("it opens"));
    let target = tempfile::NamedTempFile::new().expect("a file");
    std::os::unix::fs::symlink(target.path(), books.base.join("link.db")).expect("it links");
    std::fs::create_dir(books.base.join("folder.db")).expect("it is made");
    for name in ["link.db", "folder.db"] {
        let mut database = Database::new(
            Arc::clone(&directory),
            &DatabasePlace::Base(name.into()),
            1 << 30,
            books.deadline.clone(),
        );
        let error = database.query(&text("SELECT 1")).expect_err("it is no regular file");
        assert!(format!("{error:?}").contains("no regular file"), "{error:?}");
    }
}

#[test]
fn books_of_other_drivers_lie_in_a_directory_of_their_own() {
    let books = books();
    let directory =
        Arc::new(Directory::open(&books.base, Path::new("cache.db")).expect("it opens"));
    let mut database =
        Database::new(directory, &DatabasePlace::Driver("mine.db".into()), 1 << 30, books.deadline.clone());
    database.execute(&text("CREATE TABLE t(x)")).expect("it is made");
    assert!(books.base.join(".image-cache/drivers/mine.db").is_file());
}

#[test]
fn a_database_that_was_replaced_is_opened_anew_at_the_next_call() {
    let mut books = books();
    books.database.execute(&text("INSERT INTO t(v) VALUES (1)")).expect("it is inserted");
    for name in ["cache.db", "cache.db-wal", "cache.db-shm"] {
        std::fs::rename(books.base.join(name), books.base.join(format!(".image-cache/{name}")))
            .expect("it moves");
    }
    books.database.begin_call();
    let tables =
        books.database.query(&text("SELECT count(*) FROM sqlite_schema")).expect("a new database");
    assert_eq!(format!("{:?}", tables.rows), "[[Value::Integer(0)]]");
}

#[test]
fn a_file_that_is_no_database_is_remembered_as_corrupt_and_set_aside_whole() {
    let mut books = books();
    drop(books.database.open.take());
    std::fs::write(
        books.base.join("cache.db"),
        "no database, and long enough to be looked at".repeat(100),
    )
    .expect("written");
    std::fs::write(books.base.join("cache.db-journal"), "").expect("written");
    books.database.begin_call();
    assert_eq!(arm(&books.database.query(&text("SELECT 1")).expect_err("it is none")), "other");
    assert!(books.database.corruption().is_some_and(|words| words.contains("not a database")));
    let aside = books.database.set_aside().expect("it moves").expect("it is no database");
    assert!(aside.is_file() && !books.base.join("cache.db").exists());
    books.database.begin_call();
    books.database.query(&text("SELECT 1")).expect("a new one");
    assert_eq!(books.database.set_aside().expect("nothing to do"), None);
    assert!(books.base.join("cache.db").exists());
}

#[test]
fn no_room_for_the_index_of_the_log_is_a_full_storage() {
    let no_room = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    let fault = Fault::Sqlite(rusqlite::Error::SqliteFailure(no_room, None));
    assert_eq!(arm(&books().database.answer(fault)), "full");
}

#[test]
fn a_sound_database_that_could_not_be_read_once_is_spared_once() {
    let mut books = books();
    let condemn = |books: &mut Records| {
        // SQLite's answer to a page that the disk did not hand out.
        let malformed = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        books.database.answer(Fault::Sqlite(rusqlite::Error::SqliteFailure(malformed, None)));
        books.database.set_aside().expect("it can be looked at")
    };
    assert_eq!(condemn(&mut books), None);
    assert!(books.base.join("cache.db").exists());
    books.database.begin_call();
    books.database.query(&text("SELECT * FROM t")).expect("the table is there still");
    assert!(condemn(&mut books).is_some_and(|aside| aside.is_file()), "not for ever");
}
