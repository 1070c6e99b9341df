//! Carrying out a guest's statements, each with a bound on what comes in and what goes out.

use super::confinement::{
    MAX_PARAMETERS, MAX_SCHEMA, MAX_SCHEMA_TEXT, MAX_SQL, MAX_VALUE, called_too_much, may_define,
};
use super::interrupt::Interrupt;
use super::opening::Open;
use super::prepared::Prepared;
use super::{Error, Fault, wit};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Row, Statement, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Most statements of one transaction.
pub const MAX_STATEMENTS: usize = 20_000;

/// Most rows of a result.
pub const MAX_ROWS: usize = 10_000;

/// Most bytes of a result.
const MAX_RESULT: usize = 8 << 20;

/// Refuses a statement that is too large, before SQLite sees it.
pub(super) fn check(statement: &wit::Statement) -> Result<(), Error> {
    let longest = statement.parameters.iter().map(|value| match value {
        wit::Value::Text(text) => text.len(),
        wit::Value::Blob(blob) => blob.len(),
        _ => 0,
    });
    let too_long = longest.max().is_some_and(|length| length > MAX_VALUE as usize);
    if statement.sql.len() > MAX_SQL || statement.parameters.len() > MAX_PARAMETERS || too_long {
        return Err(Error::TooLarge);
    }
    if statement.sql.contains('\0') {
        return Err(Error::InvalidArgument);
    }
    Ok(())
}

impl Open {
    /// Rows changed.
    pub fn execute(&mut self, statement: &wit::Statement) -> Result<u64, Fault> {
        self.make_room()?;
        let Open { connection, watch, prepared, .. } = self;
        execute(connection, watch, prepared, statement).inspect_err(|_| watch.forget_log())
    }

    pub fn query(&mut self, statement: &wit::Statement) -> Result<wit::QueryResult, Fault> {
        let Open { connection, watch, prepared, .. } = self;
        let answer = query(connection, watch, prepared, statement);
        if answer.is_err() && watch.took_stale() {
            prepared.forget_all(connection);
            return query(connection, watch, prepared, statement);
        }
        answer
    }

    /// All or none. The transaction takes the writer's lock at its start, so that it cannot fail in its middle for want
    /// of it.
    pub fn execute_all(&mut self, statements: &[wit::Statement]) -> Result<Vec<u64>, Fault> {
        self.make_room()?;
        let Open { connection, watch, prepared, .. } = self;
        watch.set_ours(true);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        watch.set_ours(false);
        let transaction = transaction?;
        let changed: Result<Vec<u64>, Fault> =
            statements.iter().map(|one| execute(&transaction, watch, prepared, one)).collect();
        watch.set_ours(true);
        let ended = if changed.is_ok() { transaction.commit() } else { transaction.rollback() };
        watch.set_ours(false);
        let ended = changed.and_then(|changed| Ok(ended.map(|()| changed)?));
        ended.inspect_err(|_| watch.forget_log())
    }

    /// Writes a log that is full into the database. Where somebody else's reading keeps it from that, there is no room.
    fn make_room(&mut self) -> Result<(), Fault> {
        if !self.watch.log_may_be_full() {
            return Ok(());
        }
        if !self.watch.log_is_full() {
            self.watch.note_log(0);
            return Ok(());
        }
        self.watch.set_ours(true);
        let written = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.watch.set_ours(false);
        written?;
        // What was waited for others here is not waited for again.
        self.set_patience(self.watch.remaining());
        if self.watch.log_is_full() {
            return Err(Error::Full.into());
        }
        self.watch.note_log(0);
        Ok(())
    }
}

/// Rows changed. One that was prepared for an older schema is prepared anew.
fn execute(
    connection: &Connection,
    watch: &Interrupt,
    prepared: &mut Prepared,
    statement: &wit::Statement,
) -> Result<u64, Fault> {
    let answer = execute_once(connection, watch, prepared, statement);
    if answer.is_err() && watch.took_stale() {
        prepared.forget_all(connection);
        return execute_once(connection, watch, prepared, statement);
    }
    answer
}

fn execute_once(
    connection: &Connection,
    watch: &Interrupt,
    prepared: &mut Prepared,
    statement: &wit::Statement,
) -> Result<u64, Fault> {
    let mut prepared = prepare(connection, watch, prepared, statement)?;
    let before = connection.total_changes();
    let changed = prepared.raw_execute()?;
    // SQLite goes on answering the last number for a statement that changes no row.
    if connection.total_changes() == before {
        return Ok(0);
    }
    Ok(changed as u64)
}

fn query(
    connection: &Connection,
    watch: &Interrupt,
    prepared: &mut Prepared,
    statement: &wit::Statement,
) -> Result<wit::QueryResult, Fault> {
    let mut prepared = prepare(connection, watch, prepared, statement)?;
    // What it wrote would stay where its answer is too large.
    if !prepared.readonly() {
        return Err(Error::InvalidArgument.into());
    }
    let columns = columns(&prepared)?;
    let mut result = wit::QueryResult { rows: Vec::new(), columns };
    let (width, mut bytes) = (result.columns.len(), 0);
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        let values = values(row, width, &mut bytes)?;
        if result.rows.len() == MAX_ROWS || bytes > MAX_RESULT {
            return Err(Error::TooLarge.into());
        }
        result.rows.push(values);
    }
    Ok(result)
}

/// The statement, prepared and filled, about to run.
fn prepare<'a>(
    connection: &'a Connection,
    watch: &Interrupt,
    prepared: &mut Prepared,
    statement: &wit::Statement,
) -> Result<CachedStatement<'a>, Fault> {
    // Many short statements are one long call: none of them is ever asked to stop.
    if watch.is_late() {
        return Err(Error::TooLarge.into());
    }
    let mut prepared = match prepared.statement(connection, watch, &statement.sql) {
        Err(_) if called_too_much(watch) => return Err(Error::TooLarge.into()),
        made => made?,
    };
    if may_define(&statement.sql) && schema_is_full(connection, watch, &statement.sql)? {
        return Err(Error::TooLarge.into());
    }
    bind(&mut prepared, &statement.parameters)?;
    watch.begin();
    Ok(prepared)
}

/// Whether there is no room in the schema for what `sql` may add to it.
fn schema_is_full(connection: &Connection, watch: &Interrupt, sql: &str) -> Result<bool, Fault> {
    watch.set_ours(true);
    let sum = || {
        let sum = "SELECT count(*), coalesce(sum(octet_length(sql)), 0) FROM sqlite_schema";
        let mut sum = connection.prepare_cached(sum)?;
        sum.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
    };
    let sum = sum();
    watch.set_ours(false);
    let (count, text) = sum?;
    Ok(count >= MAX_SCHEMA || text + sql.len() as i64 > MAX_SCHEMA_TEXT)
}

fn bind(statement: &mut Statement<'_>, parameters: &[wit::Value]) -> Result<(), Fault> {
    if statement.parameter_count() != parameters.len() {
        return Err(Error::InvalidArgument.into());
    }
    for (index, value) in (1..).zip(parameters) {
        let value = match value {
            wit::Value::Null => ValueRef::Null,
            wit::Value::Integer(number) => ValueRef::Integer(*number),
            wit::Value::Real(number) => ValueRef::Real(*number),
            wit::Value::Text(text) => ValueRef::Text(text.as_bytes()),
            wit::Value::Blob(bytes) => ValueRef::Blob(bytes),
        };
        statement.raw_bind_parameter(index, ToSqlOutput::Borrowed(value))?;
    }
    Ok(())
}

/// The names of the result's columns. rusqlite panics over a name that is not UTF-8, which a damaged schema may hold.
fn columns(statement: &Statement<'_>) -> Result<Vec<String>, Fault> {
    let names = || statement.column_names().map(str::to_owned).collect();
    catch_unwind(AssertUnwindSafe(names)).map_err(|_| not_text("a column's name"))
}

fn values(row: &Row<'_>, width: usize, bytes: &mut usize) -> Result<Vec<wit::Value>, Fault> {
    let mut values = Vec::with_capacity(width);
    for column in 0..width {
        *bytes += size_of::<wit::Value>();
        values.push(match row.get_ref(column)? {
            ValueRef::Null => wit::Value::Null,
            ValueRef::Integer(number) => wit::Value::Integer(number),
            ValueRef::Real(number) => wit::Value::Real(number),
            ValueRef::Text(text) => {
                *bytes += text.len();
                let text =
                    std::str::from_utf8(text).map_err(|_| not_text("a text in the database"))?;
                wit::Value::Text(text.to_owned())
            }
            ValueRef::Blob(blob) => {
                *bytes += blob.len();
                wit::Value::Blob(blob.to_owned())
            }
        });
    }
    Ok(values)
}

fn not_text(what: &str) -> Fault {
    Fault::Answer(Error::Other(format!("{what} is not UTF-8")))
}
