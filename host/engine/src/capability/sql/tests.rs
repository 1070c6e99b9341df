//! What a guest's SQL can do, and what it cannot do.

mod confining;
mod files;

use super::*;
use std::path::Path;
use std::time::{Duration, Instant};

struct Records {
    _place: tempfile::TempDir,
    base: PathBuf,
    database: Database,
    deadline: Deadline,
}

fn records() -> Records {
    let place = tempfile::tempdir().expect("a directory");
    let directory =
        Arc::new(Directory::open(place.path(), Path::new("cache.db")).expect("it opens"));
    let deadline = Deadline::default();
    deadline.set(Instant::now() + Duration::from_secs(60));
    let base = directory.path().to_owned();
    let mut database = Database::new(
        directory,
        &DatabasePath::InBase("cache.db".into()),
        1 << 30,
        deadline.clone(),
    );
    database.execute(&text("CREATE TABLE t(id INTEGER PRIMARY KEY, v)")).expect("it is created");
    Records { _place: place, base, database, deadline }
}

/// A database of another driver, with this maximum size.
fn of_a_driver(records: &Records, bytes: u64) -> Database {
    let directory = Directory::open(&records.base, Path::new("cache.db")).expect("it opens");
    let place = DatabasePath::OfDriver("mine.db".into());
    Database::new(Arc::new(directory), &place, bytes, records.deadline.clone())
}

fn text(sql: &str) -> wit::Statement {
    with(sql, Vec::new())
}

fn with(sql: &str, parameters: Vec<wit::Value>) -> wit::Statement {
    wit::Statement { sql: sql.into(), parameters }
}

/// The variant of an error; its text does not matter.
fn arm(error: &CapabilityError) -> &'static str {
    match error {
        CapabilityError::Busy => "busy",
        CapabilityError::Full => "full",
        CapabilityError::NotFound => "not-found",
        CapabilityError::Unsupported => "unsupported",
        CapabilityError::Denied => "denied",
        CapabilityError::TooLarge => "too-large",
        CapabilityError::InvalidArgument => "invalid-argument",
        CapabilityError::Other(_) => "other",
    }
}

#[test]
fn values_are_returned_unchanged() {
    let mut records = records();
    let values = vec![
        wit::Value::Null,
        wit::Value::Integer(i64::MIN),
        wit::Value::Real(0.1),
        wit::Value::Text("ünï\u{1F600}".into()),
        wit::Value::Blob(vec![0, 255]),
    ];
    let result = records
        .database
        .query(&with("SELECT ?1 a, ?2 b, ?3 c, ?4 d, ?5 e", values.clone()))
        .expect("a row");
    assert_eq!(result.columns, ["a", "b", "c", "d", "e"]);
    assert_eq!(format!("{:?}", result.rows), format!("{:?}", vec![values]));
    let insert = with("INSERT INTO t(v) VALUES (?)", vec![wit::Value::Integer(1)]);
    assert_eq!(records.database.execute(&insert).expect("it is inserted"), 1);
    assert_eq!(records.database.execute(&text("CREATE TABLE u(x)")).expect("it is created"), 0);
    assert_eq!(
        records.database.execute(&text("UPDATE t SET v = 2 WHERE id = 99")).expect("no row"),
        0
    );
}

#[test]
fn no_error_shows_a_path_to_a_guest() {
    let records = records();
    let directory =
        Arc::new(Directory::open(&records.base, Path::new("cache.db")).expect("it opens"));
    std::fs::create_dir(records.base.join("folder.db")).expect("it is created");
    let place = DatabasePath::InBase("folder.db".into());
    let mut database = Database::new(directory, &place, 1 << 30, records.deadline.clone());
    let error = database.query(&text("SELECT 1")).expect_err("a directory");
    let words = format!("{error:?}");
    assert!(words.contains("folder.db: it is no regular file"), "{words}");
    assert!(!words.contains(&*records.base.to_string_lossy()), "{words}");
}

#[test]
fn a_log_that_a_reader_blocks_is_full_and_no_longer_grows() {
    let mut records = records();
    let mut database = of_a_driver(&records, 8 << 20);
    database.execute(&text("CREATE TABLE t(x)")).expect("it is created");
    let path = records.base.join(".image-cache/drivers/mine.db");
    let reader = rusqlite::Connection::open(&path).expect("it opens");
    reader.execute_batch("BEGIN; SELECT * FROM t").expect("it reads");
    records.deadline.set(Instant::now() + Duration::from_secs(5));
    let rewrite = text("REPLACE INTO t(rowid, x) VALUES (1, zeroblob(60000))");
    let refused = (0..1000).find_map(|_| database.execute(&rewrite).err());
    assert!(refused.is_some_and(|error| matches!(arm(&error), "full" | "busy")));
    let log = std::fs::metadata(path.with_extension("db-wal")).expect("a log").len();
    assert!(log < 3 << 20, "{log} bytes");
    drop(reader);
    records.deadline.set(Instant::now() + Duration::from_secs(60));
    database.execute(&rewrite).expect("there is room again");
    records.database.begin_call();
}

#[test]
fn a_rolled_back_transaction_leaves_room_for_the_next_one() {
    let records = records();
    let mut database = of_a_driver(&records, 32 << 20);
    database.execute(&text("CREATE TABLE t(x)")).expect("it is created");
    let rows = |count, value| {
        let rows =
            format!("SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT {count}) SELECT {value} FROM r");
        text(&format!("INSERT INTO t WITH RECURSIVE r(n) AS ({rows}"))
    };
    let error =
        database.execute_all(&vec![rows(10, "zeroblob(50000)"); 1000]).expect_err("too much");
    assert_eq!(arm(&error), "too-large");
    let log = records.base.join(".image-cache/drivers/mine.db-wal");
    assert!(std::fs::metadata(log).expect("a log").len() > 8 << 20, "it was rolled back early");
    database.execute(&rows(1000, "n")).expect("there is room");
}

#[test]
fn a_statement_that_never_ends_is_interrupted_at_the_deadline() {
    let mut records = records();
    let endless =
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r";
    records.deadline.set(Instant::now() + Duration::from_millis(50));
    let error = records.database.query(&text(endless)).expect_err("it never ends");
    assert_eq!(arm(&error), "too-large");
    records.deadline.set(Instant::now() + Duration::from_secs(60));
    records.database.query(&text("SELECT 1")).expect("the connection works");
}

#[test]
fn too_large_statements_and_results_are_refused() {
    let mut records = records();
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
        let error = records.database.query(&statement).expect_err("it is too large");
        assert_eq!(arm(&error), "too-large", "{:.80}", statement.sql);
    }
    let flood = vec![text("SELECT 1"); MAX_STATEMENTS + 1];
    assert_eq!(arm(&records.database.execute_all(&flood).expect_err("too many")), "too-large");
}

#[test]
fn an_invalid_statement_is_an_invalid_argument_or_has_a_message() {
    let mut records = records();
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
        let error = records.database.query(&statement).expect_err("it is invalid");
        assert_eq!(arm(&error), expected, "{}", statement.sql);
    }
    assert_eq!(
        arm(&records.database.execute(&text("SELECT 1")).expect_err("it has rows")),
        "invalid-argument"
    );
}

#[test]
fn a_failed_statement_is_named_with_what_is_wrong() {
    let mut records = records();
    let database = &mut records.database;
    let good = || text("INSERT INTO t VALUES (NULL, 'x')");
    for (failing, expected, why) in [
        (text("CREATE TABLE a(x); DROP TABLE t"), "invalid-argument", "Multiple statements"),
        (text("CREATE TABLE a(x); DROP TABLE a"), "invalid-argument", "Multiple statements"),
        (text("DROP TABLE nowhere; CREATE TABLE a(x)"), "other", "no such table: nowhere"),
        (text("SELECT 1"), "invalid-argument", "returned results"),
        (text("INSERT INTO t VALUES (?, ?)"), "invalid-argument", "2 parameters, and 0 values"),
        (text("INSERT INTO t VALUES (1, '\0')"), "invalid-argument", "NUL"),
        (text("BEGIN"), "denied", "not authorized"),
        (text("INSERT INTO nowhere VALUES (1)"), "other", "no such table: nowhere"),
        (
            with("INSERT INTO t VALUES (1, ?)", vec![wit::Value::Text("x".repeat(70_000))]),
            "too-large",
            "70000 bytes",
        ),
    ] {
        let error = database.execute(&failing).expect_err(expected);
        assert_eq!(arm(&error), expected, "{}", failing.sql);
        let alone = database.take_failure().expect(expected);
        assert!(alone.number.is_none() && alone.why.contains(why), "{alone:?}");

        let error = database.execute_all(&[good(), failing, good()]).expect_err(expected);
        assert_eq!(arm(&error), expected);
        let failure = database.take_failure().expect(expected);
        assert!(failure.number == Some(2) && failure.why.contains(why), "{failure:?}");
        if let CapabilityError::Other(words) = error {
            assert!(words.starts_with("statement 2: "), "{words}");
        }
    }
    let written = database.query(&good()).expect_err("it writes");
    assert_eq!(arm(&written), "invalid-argument");
    assert!(database.take_failure().is_some_and(|it| it.why.contains("a query cannot write")));
    database.execute(&good()).expect("it is good");
    assert_eq!(database.take_failure(), None);
}

#[test]
fn all_statements_of_a_transaction_are_executed_or_none() {
    let mut records = records();
    let one = || with("INSERT INTO t VALUES (?, 'x')", vec![wit::Value::Integer(1)]);
    let count = |records: &mut Records| {
        format!(
            "{:?}",
            records.database.query(&text("SELECT count(*) FROM t")).expect("a row").rows
        )
    };
    assert!(records.database.execute_all(&[one(), one()]).is_err());
    assert_eq!(count(&mut records), "[[Value::Integer(0)]]");
    assert!(records.database.execute_all(&[one(), text("COMMIT"), one()]).is_err());
    assert_eq!(count(&mut records), "[[Value::Integer(0)]]");
    assert_eq!(
        records.database.execute_all(&[one(), text("DELETE FROM t")]).expect("both"),
        [1, 1]
    );
}

#[test]
fn statements_with_an_unexpected_number_of_rows_are_undone() {
    let mut records = records();
    let database = &mut records.database;
    let sql = ["INSERT INTO t VALUES (1, 'a')", "UPDATE t SET v = 'b' WHERE v = 'a'"].map(text);
    let committed = database.execute_checked(&sql, &[None, Some(1)]).expect("they are valid");
    assert!(matches!(committed, Outcome::Committed(rows) if rows == [1, 1]));
    let again = ["INSERT INTO t VALUES (2, 'c')", "UPDATE t SET v = 'd' WHERE v = 'a'"].map(text);
    let undone = database.execute_checked(&again, &[Some(1), Some(1)]).expect("they are valid");
    assert!(matches!(undone, Outcome::RolledBack((2, 0))));
    let count = text("SELECT count(*) FROM t");
    assert!(matches!(database.query(&count).expect("it reads").rows[0][0], wit::Value::Integer(1)));
    // What is no statement is an error, as in `execute-all`.
    let broken = [text("INSERT INTO t VALUES (3, 'e')"), text("NO STATEMENT")];
    let error = database.execute_checked(&broken, &[None, None]).expect_err("it is no statement");
    assert!(format!("{error:?}").contains("statement 2: "), "{error:?}");
    assert!(matches!(database.query(&count).expect("it reads").rows[0][0], wit::Value::Integer(1)));
}

#[test]
fn a_database_in_use_is_busy_no_longer_than_the_call_may_take() {
    let mut records = records();
    let other = rusqlite::Connection::open(records.base.join("cache.db")).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("it begins");
    records.deadline.set(Instant::now() + Duration::from_millis(50));
    let error =
        records.database.execute(&text("INSERT INTO t(v) VALUES (1)")).expect_err("it is busy");
    assert_eq!(arm(&error), "busy");
}
