//! What a guest's SQL can do, and all that it cannot.

use super::*;
use std::path::Path;
use std::time::{Duration, Instant};

struct Books {
    _place: tempfile::TempDir,
    base: PathBuf,
    database: Database,
    deadline: Deadline,
}

fn books() -> Books {
    let place = tempfile::tempdir().expect("a directory");
    let directory =
        Arc::new(Directory::open(place.path(), Path::new("cache.db")).expect("it opens"));
    let deadline = Deadline::default();
    deadline.set(Instant::now() + Duration::from_secs(60));
    let base = directory.path().to_owned();
    let mut database =
        Database::new(directory, &Place::Base("cache.db".into()), 1 << 30, deadline.clone());
    database.execute(&text("CREATE TABLE t(id INTEGER PRIMARY KEY, v)")).expect("it is made");
    Books { _place: place, base, database, deadline }
}

fn text(sql: &str) -> wit::Statement {
    with(sql, Vec::new())
}

fn with(sql: &str, parameters: Vec<wit::Value>) -> wit::Statement {
    wit::Statement { sql: sql.into(), parameters }
}

/// An error's arm; its words do not matter.
fn arm(error: &Error) -> &'static str {
    match error {
        Error::Busy => "busy",
        Error::Full => "full",
        Error::NotFound => "not-found",
        Error::Unsupported => "unsupported",
        Error::Denied => "denied",
        Error::TooLarge => "too-large",
        Error::InvalidArgument => "invalid-argument",
        Error::Other(_) => "other",
    }
}

#[test]
fn values_come_back_as_they_went_in() {
    let mut books = books();
    let values = vec![
        wit::Value::Null,
        wit::Value::Integer(i64::MIN),
        wit::Value::Real(0.1),
        wit::Value::Text("ünï\u{1F600}".into()),
        wit::Value::Blob(vec![0, 255]),
    ];
    let result = books
        .database
        .query(&with("SELECT ?1 a, ?2 b, ?3 c, ?4 d, ?5 e", values.clone()))
        .expect("a row");
    assert_eq!(result.columns, ["a", "b", "c", "d", "e"]);
    assert_eq!(format!("{:?}", result.rows), format!("{:?}", vec![values]));
    let insert = with("INSERT INTO t(v) VALUES (?)", vec![wit::Value::Integer(1)]);
    assert_eq!(books.database.execute(&insert).expect("it is inserted"), 1);
    assert_eq!(books.database.execute(&text("CREATE TABLE u(x)")).expect("it is made"), 0);
    assert_eq!(
        books.database.execute(&text("UPDATE t SET v = 2 WHERE id = 99")).expect("no row"),
        0
    );
}

#[test]
fn sql_that_reaches_out_of_the_database_is_denied() {
    let mut books = books();
    for sql in [
        "ATTACH '/tmp/elsewhere.db' AS x",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO '/tmp/copy.db'",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT s",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA max_page_count = 1000000000",
        "PRAGMA user_version = 7",
        "PRAGMA trusted_schema = ON",
        "PRAGMA database_list",
        "SELECT * FROM pragma_database_list",
        "SELECT load_extension('x')",
        "CREATE TEMP TABLE x(y)",
        "CREATE VIRTUAL TABLE x USING fts5(y)",
        "SELECT sqlite_log(1, 'a line of somebody else''s log')",
        "SELECT * FROM dbstat",
        "SELECT count(*) FROM DBSTAT",
        "SELECT token FROM fts3tokenize WHERE input = 'a b'",
        "ALTER TABLE t RENAME TO u",
    ] {
        let reads = sql.starts_with("SELECT") || sql.starts_with("PRAGMA");
        let error = match reads {
            true => books.database.query(&text(sql)).map(drop),
            false => books.database.execute(&text(sql)).map(drop),
        };
        let error = error.expect_err(sql);
        assert!(matches!(arm(&error), "denied" | "other"), "{sql}: {error:?}");
        if !["load_extension", "pragma_", "sqlite_log", "ALTER"]
            .iter()
            .any(|part| sql.contains(part))
        {
            assert_eq!(arm(&error), "denied", "{sql}: {error:?}");
        }
    }
    assert!(books.database.execute(&text("UPDATE sqlite_schema SET sql = ''")).is_err());
    for sql in
        ["PRAGMA table_info(t)", "SELECT * FROM pragma_table_info('t')", "PRAGMA user_version"]
    {
        assert!(!books.database.query(&text(sql)).expect(sql).rows.is_empty(), "{sql}");
    }
}

/// What SQLite has and no guest gets: by name, so that nothing new is overlooked.
const NO_FUNCTIONS: &str = "current_date current_time current_timestamp date datetime julianday strftime time timediff unixepoch \
    random randomblob json_patch jsonb_patch json_pretty trim ltrim rtrim unhex load_extension sqlite_log \
    sqlite_compileoption_get sqlite_compileoption_used sqlite_source_id soundex subtype unistr unistr_quote \
    fts3_tokenizer fts5 fts5_get_locale fts5_insttoken fts5_locale fts5_source_id bm25 highlight snippet matchinfo offsets \
    optimize match regexp rtreecheck rtreedepth rtreenode";

#[test]
fn every_function_and_every_table_of_sqlite_s_own_is_granted_or_known_to_be_denied() {
    let mut books = books();
    let all = rusqlite::Connection::open_in_memory().expect("a connection");
    let names = |sql| -> Vec<String> {
        let mut statement = all.prepare(sql).expect("it parses");
        let rows = statement.query_map([], |row| row.get(0)).expect("names");
        rows.map(|name| name.expect("a name")).collect()
    };
    let known: Vec<&str> = NO_FUNCTIONS.split_whitespace().collect();
    for name in names("SELECT DISTINCT name FROM pragma_function_list") {
        let granted = functions::may_call(&name);
        assert!(granted != known.contains(&&*name), "{name} is new: grant it, or list it here");
    }
    // A module that is a table by itself is one that can be read without being made.
    for name in
        names("SELECT name FROM pragma_module_list WHERE name NOT LIKE 'pragma~_%' ESCAPE '~'")
    {
        let read = books.database.query(&text(&format!("SELECT * FROM {name}")));
        assert!(read.is_err() || name.starts_with("json_"), "{name} can be read");
    }
}

#[test]
fn a_statement_whose_tables_became_another_schema_is_prepared_within_bounds_again() {
    let mut books = books();
    let mut execute = |sql: &str| books.database.execute(&text(sql)).expect(sql);
    execute("CREATE TABLE v0(x)");
    execute("INSERT INTO v0 VALUES (1)");
    execute("CREATE VIEW v22 AS SELECT x FROM v0");
    let last = "SELECT x FROM v22";
    books.database.query(&text(last)).expect("it is a small view");
    books.database.execute(&text("DROP VIEW v22")).expect("it goes");
    for n in 0..22 {
        let twice = format!("CREATE VIEW v{} AS SELECT x + x AS x FROM v{n}", n + 1);
        books.database.execute(&text(&twice)).expect("each is small");
    }
    let before = memory::peak();
    let error = books.database.query(&text(last)).expect_err("it stands for four million sums");
    assert_eq!(arm(&error), "too-large");
    let grown = memory::peak() - before;
    assert!(grown < 32 << 20, "SQLite grew by {grown} bytes");
    // What is no bomb is prepared anew, and nobody notices.
    let insert = text("INSERT INTO t(v) VALUES (1)");
    for n in 0..3 {
        books.database.execute(&insert).expect("it is inserted");
        books.database.execute(&text(&format!("CREATE TABLE u{n}(x)"))).expect("it is made");
        books.database.query(&text("SELECT count(*) FROM t")).expect("it is counted");
    }
    books.database.execute_all(&[insert.clone(), text("CREATE TABLE w(x)"), insert]).expect("all");
    let count = books.database.query(&text("SELECT count(*) FROM t")).expect("it is counted");
    assert_eq!(format!("{:?}", count.rows), "[[Value::Integer(5)]]");
}

#[test]
fn no_function_takes_more_arguments_than_may_be_copied() {
    let mut books = books();
    let concat = |n| text(&format!("SELECT length(concat({}))", vec!["'x'"; n].join(",")));
    books.database.query(&concat(32)).expect("32 are fine");
    books.database.query(&concat(33)).expect_err("33 are not");
}

#[test]
fn a_query_writes_nothing() {
    let mut books = books();
    for sql in ["INSERT INTO t VALUES (1, 2) RETURNING id", "DELETE FROM t", "CREATE TABLE u(x)"] {
        let error = books.database.query(&text(sql)).expect_err(sql);
        assert_eq!(arm(&error), "invalid-argument", "{sql}");
    }
    let found =
        books.database.query(&text("SELECT (SELECT count(*) FROM t), count(*) FROM sqlite_schema"));
    assert_eq!(
        format!("{:?}", found.expect("a row").rows),
        "[[Value::Integer(0), Value::Integer(1)]]"
    );
}

#[test]
fn what_defines_the_schema_is_bounded_in_number_and_length_also_when_it_is_prepared_already() {
    let mut books = books();
    let view = |n: usize| text(&format!("CREATE VIEW v{n} AS SELECT '{}'", "x".repeat(9_000)));
    let drop = |n: usize| text(&format!("DROP VIEW v{n}"));
    for n in 0..10 {
        books.database.execute(&view(n)).expect("there is room for one");
        books.database.execute(&drop(n)).expect("it goes");
    }
    let made = (0..10).filter(|n| books.database.execute(&view(*n)).is_ok()).count();
    assert_eq!(made, 3);
    for commented in ["/* */ ", "-- \n", ";"] {
        let sql = format!("{commented}{}", view(9).sql);
        assert_eq!(arm(&books.database.execute(&text(&sql)).expect_err("it is full")), "too-large");
    }
    let column = text(&format!("ALTER TABLE t ADD COLUMN c DEFAULT '{}'", "x".repeat(9_000)));
    assert_eq!(arm(&books.database.execute(&column).expect_err("it is full")), "too-large");
    books.database.execute(&text("INSERT INTO t(v) VALUES (1)")).expect("all else goes on");
}

#[test]
fn a_guest_gets_no_path_in_words() {
    let books = books();
    let directory =
        Arc::new(Directory::open(&books.base, Path::new("cache.db")).expect("it opens"));
    std::fs::create_dir(books.base.join("folder.db")).expect("it is made");
    let place = Place::Base("folder.db".into());
    let mut database = Database::new(directory, &place, 1 << 30, books.deadline.clone());
    let error = database.query(&text("SELECT 1")).expect_err("it is a folder");
    let words = format!("{error:?}");
    assert!(words.contains("folder.db: it is no regular file"), "{words}");
    assert!(!words.contains(&*books.base.to_string_lossy()), "{words}");
}

#[test]
fn a_log_that_a_reader_keeps_from_shrinking_is_full_and_no_longer_grows() {
    let mut books = books();
    let directory =
        Arc::new(Directory::open(&books.base, Path::new("cache.db")).expect("it opens"));
    let place = Place::Driver("mine.db".into());
    let mut database = Database::new(directory, &place, 8 << 20, books.deadline.clone());
    database.execute(&text("CREATE TABLE t(x)")).expect("it is made");
    let path = books.base.join(".image-cache/drivers/mine.db");
    let reader = rusqlite::Connection::open(&path).expect("it opens");
    reader.execute_batch("BEGIN; SELECT * FROM t").expect("it reads");
    books.deadline.set(Instant::now() + Duration::from_secs(5));
    let rewrite = text("REPLACE INTO t(rowid, x) VALUES (1, zeroblob(60000))");
    let refused = (0..1000).find_map(|_| database.execute(&rewrite).err());
    assert!(refused.is_some_and(|error| matches!(arm(&error), "full" | "busy")));
    let log = std::fs::metadata(path.with_extension("db-wal")).expect("a log").len();
    assert!(log < 3 << 20, "{log} bytes");
    drop(reader);
    books.deadline.set(Instant::now() + Duration::from_secs(60));
    database.execute(&rewrite).expect("there is room again");
    books.database.begin_call();
}

#[test]
fn what_was_undone_leaves_room_for_what_comes_next() {
    let books = books();
    let directory =
        Arc::new(Directory::open(&books.base, Path::new("cache.db")).expect("it opens"));
    let place = Place::Driver("mine.db".into());
    let mut database = Database::new(directory, &place, 38 << 20, books.deadline.clone());
    database.execute(&text("CREATE TABLE t(x)")).expect("it is made");
    let rows = |count, value| {
        let rows =
            format!("SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT {count}) SELECT {value} FROM r");
        text(&format!("INSERT INTO t WITH RECURSIVE r(n) AS ({rows}"))
    };
    let error =
        database.execute_all(&vec![rows(10, "zeroblob(50000)"); 1000]).expect_err("too much");
    assert_eq!(arm(&error), "too-large");
    let log = books.base.join(".image-cache/drivers/mine.db-wal");
    assert!(std::fs::metadata(log).expect("a log").len() > 8 << 20, "it was not undone late");
    database.execute(&rows(1000, "n")).expect("there is room");
}

#[test]
fn a_statement_that_never_ends_is_interrupted_at_the_deadline() {
    let mut books = books();
    let endless =
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r";
    books.deadline.set(Instant::now() + Duration::from_millis(50));
    let error = books.database.query(&text(endless)).expect_err("it never ends");
    assert_eq!(arm(&error), "too-large");
    books.deadline.set(Instant::now() + Duration::from_secs(60));
    books.database.query(&text("SELECT 1")).expect("the connection goes on");
}

#[test]
fn what_is_too_large_is_refused_on_the_way_in_and_on_the_way_out() {
    let mut books = books();
    let rows = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 10001) SELECT n FROM r";
    let bytes = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 200) SELECT zeroblob(60000) FROM r";
    let many = format!("SELECT {}1", "?,".repeat(1001));
    for statement in [
        text(rows),
        text(bytes),
        text("SELECT zeroblob(1000000)"),
        text(&format!("SELECT 1 -- {}", "x".repeat(70_000))),
        with("SELECT ?", vec![wit::Value::Text("x".repeat(70_000))]),
        with(&many, vec![wit::Value::Null; 1001]),
    ] {
        let error = books.database.query(&statement).expect_err("it is too large");
        assert_eq!(arm(&error), "too-large", "{:.80}", statement.sql);
    }
    let flood = vec![text("SELECT 1"); MAX_STATEMENTS + 1];
    assert_eq!(arm(&books.database.execute_all(&flood).expect_err("too many")), "too-large");
}

#[test]
fn a_statement_that_makes_no_sense_is_an_invalid_argument_or_has_words() {
    let mut books = books();
    for (statement, expected) in [
        (text("SELECT 1; SELECT 2"), "invalid-argument"),
        (text("SELECT 1\0"), "invalid-argument"),
        (text("SELECT ?"), "invalid-argument"),
        (text(""), "invalid-argument"),
        (text("-- nothing"), "invalid-argument"),
        (with("SELECT 1", vec![wit::Value::Null]), "invalid-argument"),
        (text("SELEKT"), "other"),
        (text("SELECT CAST(x'ff' AS TEXT)"), "other"),
    ] {
        let error = books.database.query(&statement).expect_err("it makes no sense");
        assert_eq!(arm(&error), expected, "{}", statement.sql);
    }
    assert_eq!(
        arm(&books.database.execute(&text("SELECT 1")).expect_err("it has rows")),
        "invalid-argument"
    );
}

#[test]
fn all_statements_of_a_transaction_are_carried_out_or_none() {
    let mut books = books();
    let one = || with("INSERT INTO t VALUES (?, 'x')", vec![wit::Value::Integer(1)]);
    let count = |books: &mut Books| {
        format!("{:?}", books.database.query(&text("SELECT count(*) FROM t")).expect("a row").rows)
    };
    assert!(books.database.execute_all(&[one(), one()]).is_err());
    assert_eq!(count(&mut books), "[[Value::Integer(0)]]");
    assert!(books.database.execute_all(&[one(), text("COMMIT"), one()]).is_err());
    assert_eq!(count(&mut books), "[[Value::Integer(0)]]");
    assert_eq!(books.database.execute_all(&[one(), text("DELETE FROM t")]).expect("both"), [1, 1]);
}

#[test]
fn a_database_in_use_is_busy_no_longer_than_the_call_may_take() {
    let mut books = books();
    let other = rusqlite::Connection::open(books.base.join("cache.db")).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("it begins");
    books.deadline.set(Instant::now() + Duration::from_millis(50));
    let error =
        books.database.execute(&text("INSERT INTO t(v) VALUES (1)")).expect_err("it is busy");
    assert_eq!(arm(&error), "busy");
}

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
            &Place::Base(name.into()),
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
        Database::new(directory, &Place::Driver("mine.db".into()), 1 << 30, books.deadline.clone());
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
    let condemn = |books: &mut Books| {
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
