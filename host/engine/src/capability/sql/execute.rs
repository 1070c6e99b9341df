//! Executes a guest's statements, with limits on input and output.

use super::authorizer::{
    MAX_PARAMETERS, MAX_SCHEMA, MAX_SCHEMA_TEXT, MAX_SQL, MAX_VALUE, called_too_much, may_define,
};
use super::connection::OpenDatabase;
use super::fault::SqlFault;
use super::interrupt::Interrupt;
use super::prepared::Prepared;
use super::wit;
use crate::bindings::image_cache::driver::transactions::Outcome;
use crate::capability::error::CapabilityError;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Row, Statement, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Maximum number of statements of one transaction.
pub const MAX_STATEMENTS: usize = 20_000;

/// Maximum number of rows of a result.
pub const MAX_ROWS: usize = 10_000;

/// How often a statement is prepared again if the schema has changed. It also ends a statement that SQLite prepares again each time, such
/// as `VACUUM`.
const PREPARE_AGAIN: u32 = 20;

/// Maximum size of a result, in bytes.
const MAX_RESULT: usize = 8 << 20;

/// Refuses a statement that is too large before SQLite parses it.
pub(super) fn check(statement: &wit::Statement) -> Result<(), SqlFault> {
    let too_large = |what, most| {
        Err(SqlFault::refused(CapabilityError::TooLarge, format!("{what}; at most {most}")))
    };
    if statement.sql.len() > MAX_SQL {
        return too_large(format!("its text has {} bytes", statement.sql.len()), MAX_SQL);
    }
    if statement.parameters.len() > MAX_PARAMETERS {
        let count = statement.parameters.len();
        return too_large(format!("it has {count} parameters"), MAX_PARAMETERS);
    }
    let lengths = statement.parameters.iter().map(|value| match value {
        wit::Value::Text(text) => text.len(),
        wit::Value::Blob(blob) => blob.len(),
        _ => 0,
    });
    let longest = lengths.max().unwrap_or(0);
    if longest > MAX_VALUE as usize {
        return too_large(format!("a parameter has {longest} bytes"), MAX_VALUE as usize);
    }
    if statement.sql.contains('\0') {
        return Err(SqlFault::refused(CapabilityError::InvalidArgument, "its text contains a NUL"));
    }
    Ok(())
}

/// The same for statements of one transaction.
pub(super) fn check_all(statements: &[wit::Statement]) -> Result<(), SqlFault> {
    if statements.len() > MAX_STATEMENTS {
        let why = format!("{} statements; at most {MAX_STATEMENTS}", statements.len());
        return Err(SqlFault::Refused(CapabilityError::TooLarge, why));
    }
    let of = |number, fault| SqlFault::OfStatement(number, Box::new(fault));
    (1..)
        .zip(statements)
        .try_for_each(|(number, one)| check(one).map_err(|fault| of(number, fault)))
}

impl OpenDatabase {
    /// Executes a statement; returns the number of changed rows.
    pub fn execute(&mut self, statement: &wit::Statement) -> Result<u64, SqlFault> {
        self.checkpoint_full_log()?;
        self.interrupt.begin_transaction();
        let OpenDatabase { connection, interrupt, prepared, .. } = self;
        let changed = Runner { connection, interrupt, prepared }.run(statement, Runner::execute);
        changed.inspect_err(|_| interrupt.forget_log_bytes())
    }

    pub fn query(&mut self, statement: &wit::Statement) -> Result<wit::QueryResult, SqlFault> {
        self.interrupt.begin_transaction();
        let OpenDatabase { connection, interrupt, prepared, .. } = self;
        Runner { connection, interrupt, prepared }.run(statement, Runner::query)
    }

    /// Executes all statements or none.
    pub fn execute_all(&mut self, statements: &[wit::Statement]) -> Result<Vec<u64>, SqlFault> {
        self.transact(statements, &[])
    }

    /// Executes all statements, or none if one changes another number of rows than expected.
    pub fn execute_checked(
        &mut self,
        statements: &[wit::Statement],
        expected: &[Option<u64>],
    ) -> Result<Outcome, SqlFault> {
        match self.transact(statements, expected) {
            Ok(changed) => Ok(Outcome::Committed(changed)),
            Err(SqlFault::UnexpectedRows(number, rows)) => Ok(Outcome::RolledBack((number, rows))),
            Err(fault) => Err(fault),
        }
    }

    /// Executes all statements or none; a missing expectation accepts every number of rows. The transaction takes the write lock at its start, so that it cannot fail later
    /// because the lock is busy.
    fn transact(
        &mut self,
        statements: &[wit::Statement],
        expected: &[Option<u64>],
    ) -> Result<Vec<u64>, SqlFault> {
        self.checkpoint_full_log()?;
        self.interrupt.begin_transaction();
        let OpenDatabase { connection, interrupt, prepared, .. } = self;
        let immediate = TransactionBehavior::Immediate;
        let transaction =
            interrupt.as_host(move || connection.transaction_with_behavior(immediate))?;
        let mut runner = Runner { connection: &transaction, interrupt, prepared };
        let expected = expected.iter().copied().chain(std::iter::repeat(None));
        let run_one = |((number, one), expected)| {
            let changed = runner.run_one(number, one)?;
            check_rows(number, changed, expected)
        };
        let changed: Result<Vec<u64>, SqlFault> =
            (1..).zip(statements).zip(expected).map(run_one).collect();
        let is_changed = changed.is_ok();
        let ended = interrupt
            .as_host(|| if is_changed { transaction.commit() } else { transaction.rollback() });
        let ended = changed.and_then(|changed| Ok(ended.map(|()| changed)?));
        ended.inspect_err(|_| interrupt.forget_log_bytes())
    }

    /// Writes a full log into the database. If a reader of another process prevents this, the database is full.
    fn checkpoint_full_log(&mut self) -> Result<(), SqlFault> {
        if !self.interrupt.log_may_be_full() {
            return Ok(());
        }
        if !self.interrupt.log_is_full() {
            self.interrupt.set_log_bytes(0);
            return Ok(());
        }
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.interrupt.as_host(|| self.connection.query_row(checkpoint, [], |_| Ok(())))?;
        // The time spent waiting here is not available again.
        self.set_busy_timeout(self.interrupt.deadline.remaining());
        if self.interrupt.log_is_full() {
            return Err(CapabilityError::Full.into());
        }
        self.interrupt.set_log_bytes(0);
        Ok(())
    }
}

/// Compares the number of changed rows of a statement with the expected one.
fn check_rows(number: usize, changed: u64, expected: Option<u64>) -> Result<u64, SqlFault> {
    match expected {
        Some(expected) if expected != changed => {
            Err(SqlFault::UnexpectedRows(u32::try_from(number).unwrap_or(u32::MAX), changed))
        }
        _ => Ok(changed),
    }
}

/// Runs a guest's statements.
struct Runner<'a> {
    connection: &'a Connection,
    interrupt: &'a Interrupt,
    prepared: &'a mut Prepared,
}

impl<'a> Runner<'a> {
    /// Runs a statement. One that was prepared for an older schema is prepared again: other processes can change the schema several
    /// times in a row, for example if they all open a new database at once.
    fn run<T>(
        &mut self,
        statement: &wit::Statement,
        once: fn(&mut Self, &wit::Statement) -> Result<T, SqlFault>,
    ) -> Result<T, SqlFault> {
        let mut answer = once(self, statement);
        for _ in 0..PREPARE_AGAIN {
            if answer.is_ok() || !self.interrupt.take_stale() {
                break;
            }
            self.prepared.forget_all(self.connection);
            answer = once(self, statement);
        }
        answer
    }

    /// Executes a statement of several; its fault has its number.
    fn run_one(&mut self, number: usize, statement: &wit::Statement) -> Result<u64, SqlFault> {
        let changed = self.run(statement, Runner::execute);
        changed.map_err(|fault| SqlFault::OfStatement(number, Box::new(fault)))
    }

    /// Executes a statement; returns the number of changed rows.
    fn execute(&mut self, statement: &wit::Statement) -> Result<u64, SqlFault> {
        let mut prepared = self.prepare(statement)?;
        let before = self.connection.total_changes();
        let changed = prepared.raw_execute()?;
        // For a statement that changes no row, SQLite still reports the last number.
        if self.connection.total_changes() == before {
            return Ok(0);
        }
        Ok(changed as u64)
    }

    fn query(&mut self, statement: &wit::Statement) -> Result<wit::QueryResult, SqlFault> {
        let mut prepared = self.prepare(statement)?;
        // If its result were too large, its changes would remain nevertheless.
        if !prepared.readonly() {
            let error = CapabilityError::InvalidArgument;
            return Err(SqlFault::refused(error, "a query cannot write: execute it"));
        }
        let columns = columns(&prepared)?;
        let mut result = wit::QueryResult { rows: Vec::new(), columns };
        let (width, mut bytes) = (result.columns.len(), 0);
        let mut rows = prepared.raw_query();
        while let Some(row) = rows.next()? {
            let values = values(row, width, &mut bytes)?;
            if result.rows.len() == MAX_ROWS || bytes > MAX_RESULT {
                let why = format!("its result has more than {MAX_ROWS} rows or {MAX_RESULT} bytes");
                return Err(SqlFault::Refused(CapabilityError::TooLarge, why));
            }
            result.rows.push(values);
        }
        Ok(result)
    }

    /// The statement, prepared and bound, ready to run.
    fn prepare(&mut self, statement: &wit::Statement) -> Result<CachedStatement<'a>, SqlFault> {
        let Runner { connection, interrupt, prepared } = self;
        // Many short statements form one long call, and none of them is ever interrupted.
        if interrupt.deadline.passed() {
            return Err(SqlFault::refused(CapabilityError::TooLarge, "the call's time is over"));
        }
        if interrupt.transaction_is_full() {
            return Err(CapabilityError::Full.into());
        }
        let mut prepared = match prepared.statement(connection, interrupt, &statement.sql) {
            Err(_) if called_too_much(interrupt) => {
                let why = "it calls too many functions: at most 500, where instr, replace, like and glob count as 125";
                return Err(SqlFault::refused(CapabilityError::TooLarge, why));
            }
            made => made?,
        };
        if may_define(&statement.sql) && self.schema_is_full(&statement.sql)? {
            let why = format!(
                "the schema would have more than {MAX_SCHEMA} tables, indexes, views and triggers, or more than \
                 {MAX_SCHEMA_TEXT} bytes of definitions"
            );
            return Err(SqlFault::Refused(CapabilityError::TooLarge, why));
        }
        bind(&mut prepared, &statement.parameters)?;
        self.interrupt.begin_statement();
        Ok(prepared)
    }

    /// Whether the schema would be too large after `sql`.
    fn schema_is_full(&self, sql: &str) -> Result<bool, SqlFault> {
        let (count, text) = self.interrupt.as_host(|| {
            let sum = "SELECT count(*), coalesce(sum(octet_length(sql)), 0) FROM sqlite_schema";
            let mut sum = self.connection.prepare_cached(sum)?;
            sum.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        })?;
        Ok(count >= MAX_SCHEMA || text + sql.len() as i64 > MAX_SCHEMA_TEXT)
    }
}

fn bind(statement: &mut Statement<'_>, parameters: &[wit::Value]) -> Result<(), SqlFault> {
    let (asked, passed) = (statement.parameter_count(), parameters.len());
    if asked != passed {
        let why = format!("it has {asked} parameters, and {passed} values were passed");
        return Err(SqlFault::Refused(CapabilityError::InvalidArgument, why));
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

/// The names of the result's columns. rusqlite panics if a name is not UTF-8, which a damaged schema may contain.
fn columns(statement: &Statement<'_>) -> Result<Vec<String>, SqlFault> {
    let names = || statement.column_names().map(str::to_owned).collect();
    catch_unwind(AssertUnwindSafe(names)).map_err(|_| not_text("a column's name"))
}

fn values(row: &Row<'_>, width: usize, bytes: &mut usize) -> Result<Vec<wit::Value>, SqlFault> {
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

fn not_text(what: &str) -> SqlFault {
    SqlFault::Answer(CapabilityError::Other(format!("{what} is not UTF-8")))
}
