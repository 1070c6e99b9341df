//! What a guest's SQL may not do, and the limits of what it may do.

use super::*;

#[test]
fn sql_that_accesses_anything_outside_the_database_is_denied() {
    let mut records = records();
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
        "PRAGMA user_version = newest",
        "PRAGMA user_version = 99999999999",
        "PRAGMA schema_version = 7",
        "PRAGMA application_id = 7",
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
            true => records.database.query(&text(sql)).map(drop),
            false => records.database.execute(&text(sql)).map(drop),
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
    assert!(records.database.execute(&text("UPDATE sqlite_schema SET sql = ''")).is_err());
    for sql in
        ["PRAGMA table_info(t)", "SELECT * FROM pragma_table_info('t')", "PRAGMA user_version"]
    {
        assert!(!records.database.query(&text(sql)).expect(sql).rows.is_empty(), "{sql}");
    }
}

#[test]
fn a_driver_notes_the_version_of_its_schema_with_the_change_or_not_at_all() {
    let mut records = records();
    let database = &mut records.database;
    let version = |database: &mut Database| {
        let answer = database.query(&text("PRAGMA user_version")).expect("it is read");
        match answer.rows[0][0] {
            wit::Value::Integer(version) => version,
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(version(database), 0);
    let add = text("ALTER TABLE t ADD COLUMN more INTEGER");
    let changed = database.execute_all(&[add, text("PRAGMA user_version = 1")]);
    assert_eq!(changed.expect("both are done"), [0, 0]);
    assert_eq!(version(database), 1);
    let fails = text("INSERT INTO nowhere VALUES (1)");
    database.execute_all(&[text("PRAGMA user_version = 2"), fails]).expect_err("no such table");
    assert_eq!(version(database), 1);
    database.execute(&text("PRAGMA user_version(-3)")).expect("it is an integer");
    assert_eq!(version(database), -3);
    // A query only reads.
    let error = database.query(&text("PRAGMA user_version = 4")).expect_err("it would write");
    assert_eq!(arm(&error), "invalid-argument");
    assert_eq!(version(database), -3);
}

/// SQLite's functions that no guest gets; listed by name so that new ones are noticed.
const NO_FUNCTIONS: &str = "current_date current_time current_timestamp date datetime julianday strftime time timediff unixepoch \
    random randomblob json_patch jsonb_patch json_pretty trim ltrim rtrim unhex load_extension sqlite_log \
    sqlite_compileoption_get sqlite_compileoption_used sqlite_source_id soundex subtype unistr unistr_quote \
    fts3_tokenizer fts5 fts5_get_locale fts5_insttoken fts5_locale fts5_source_id bm25 highlight snippet matchinfo offsets \
    optimize match regexp rtreecheck rtreedepth rtreenode";

#[test]
fn every_function_and_table_of_sqlite_is_granted_or_listed_as_denied() {
    let mut records = records();
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
    // A module whose table has the same name can be read without creating a table.
    for name in
        names("SELECT name FROM pragma_module_list WHERE name NOT LIKE 'pragma~_%' ESCAPE '~'")
    {
        let read = records.database.query(&text(&format!("SELECT * FROM {name}")));
        assert!(read.is_err() || name.starts_with("json_"), "{name} can be read");
    }
}

#[test]
fn a_statement_is_prepared_within_limits_again_after_a_schema_change() {
    let mut records = records();
    let mut execute = |sql: &str| records.database.execute(&text(sql)).expect(sql);
    execute("CREATE TABLE v0(x)");
    execute("INSERT INTO v0 VALUES (1)");
    execute("CREATE VIEW v22 AS SELECT x FROM v0");
    let last = "SELECT x FROM v22";
    records.database.query(&text(last)).expect("a small view");
    records.database.execute(&text("DROP VIEW v22")).expect("dropped");
    for n in 0..22 {
        let twice = format!("CREATE VIEW v{} AS SELECT x + x AS x FROM v{n}", n + 1);
        records.database.execute(&text(&twice)).expect("each is small");
    }
    let before = memory::peak();
    let error = records.database.query(&text(last)).expect_err("four million sums");
    assert_eq!(arm(&error), "too-large");
    let grown = memory::peak() - before;
    assert!(grown < 32 << 20, "SQLite grew by {grown} bytes");
    // Statements that are not excessive are prepared again, without an error.
    let insert = text("INSERT INTO t(v) VALUES (1)");
    for n in 0..3 {
        records.database.execute(&insert).expect("it is inserted");
        records.database.execute(&text(&format!("CREATE TABLE u{n}(x)"))).expect("it is created");
        records.database.query(&text("SELECT count(*) FROM t")).expect("it is counted");
    }
    records
        .database
        .execute_all(&[insert.clone(), text("CREATE TABLE w(x)"), insert])
        .expect("all");
    let count = records.database.query(&text("SELECT count(*) FROM t")).expect("it is counted");
    assert_eq!(format!("{:?}", count.rows), "[[Value::Integer(5)]]");
}

#[test]
fn no_function_accepts_more_arguments_than_may_be_copied() {
    let mut records = records();
    let concat = |n| text(&format!("SELECT length(concat({}))", vec!["'x'"; n].join(",")));
    records.database.query(&concat(32)).expect("32 are allowed");
    records.database.query(&concat(33)).expect_err("33 are not");
}

#[test]
fn a_query_writes_nothing() {
    let mut records = records();
    for sql in ["INSERT INTO t VALUES (1, 2) RETURNING id", "DELETE FROM t", "CREATE TABLE u(x)"] {
        let error = records.database.query(&text(sql)).expect_err(sql);
        assert_eq!(arm(&error), "invalid-argument", "{sql}");
    }
    let found = records
        .database
        .query(&text("SELECT (SELECT count(*) FROM t), count(*) FROM sqlite_schema"));
    assert_eq!(
        format!("{:?}", found.expect("a row").rows),
        "[[Value::Integer(0), Value::Integer(1)]]"
    );
}

#[test]
fn the_schema_is_limited_in_number_and_length_even_for_prepared_statements() {
    let mut records = records();
    let view = |n: usize| text(&format!("CREATE VIEW v{n} AS SELECT '{}'", "x".repeat(9_000)));
    let drop = |n: usize| text(&format!("DROP VIEW v{n}"));
    for n in 0..10 {
        records.database.execute(&view(n)).expect("there is room for one");
        records.database.execute(&drop(n)).expect("dropped");
    }
    let made = (0..10).filter(|n| records.database.execute(&view(*n)).is_ok()).count();
    assert_eq!(made, 3);
    for commented in ["/* */ ", "-- \n", ";"] {
        let sql = format!("{commented}{}", view(9).sql);
        assert_eq!(
            arm(&records.database.execute(&text(&sql)).expect_err("it is full")),
            "too-large"
        );
    }
    let column = text(&format!("ALTER TABLE t ADD COLUMN c DEFAULT '{}'", "x".repeat(9_000)));
    assert_eq!(arm(&records.database.execute(&column).expect_err("it is full")), "too-large");
    records.database.execute(&text("INSERT INTO t(v) VALUES (1)")).expect("other statements work");
}
