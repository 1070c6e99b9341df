//! SQLite in memory.

use super::state::with;
pub use crate::bindings::image_cache::driver::sql::{QueryResult, Statement, Value};
use crate::types::Error;
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, params_from_iter};

/// Runs a statement that returns no rows; returns the number of rows that it changed.
pub fn execute(statement: &Statement) -> Result<u64, Error> {
    with(|state| run(&state.database, statement))
}

/// Runs a statement that reads.
pub fn query(statement: &Statement) -> Result<QueryResult, Error> {
    with(|state| {
        let mut prepared = state.database.prepare_cached(&statement.sql).map_err(words)?;
        if !prepared.readonly() {
            return Err(Error::InvalidArgument);
        }
        let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
        let count = columns.len();
        let mut rows = prepared.query(params_from_iter(parameters(statement))).map_err(words)?;
        let mut read = Vec::new();
        while let Some(row) = rows.next().map_err(words)? {
            let value = |n| Ok(value(row.get_ref(n).map_err(words)?));
            read.push((0..count).map(value).collect::<Result<Vec<Value>, Error>>()?);
        }
        Ok(QueryResult { columns, rows: read })
    })
}

/// Runs statements in one transaction: all or none.
pub fn execute_all(statements: &[Statement]) -> Result<Vec<u64>, Error> {
    transact(|run| {
        let run_one = |(number, statement)| run(number, statement);
        Ok(((1..).zip(statements).map(run_one).collect::<Result<Vec<u64>, Error>>()?, true))
    })
}

/// Runs one statement, which has this number.
pub(super) type RunOne<'a> = &'a dyn Fn(usize, &Statement) -> Result<u64, Error>;

/// Runs `work` in a transaction, which is undone if it fails or returns false.
pub(super) fn transact<T>(
    work: impl FnOnce(RunOne<'_>) -> Result<(T, bool), Error>,
) -> Result<T, Error> {
    with(|state| {
        let transaction = state.database.transaction().map_err(words)?;
        let run_one = |number: usize, statement: &Statement| {
            run(&transaction, statement).map_err(|error| of_statement(number, error))
        };
        let (result, is_kept) = match work(&run_one) {
            Ok((result, is_kept)) => (Ok(result), is_kept),
            Err(error) => (Err(error), false),
        };
        let ended = if is_kept { transaction.commit() } else { transaction.rollback() };
        ended.map_err(words)?;
        result
    })
}

/// The error of one statement of several, as the host returns it.
fn of_statement(number: usize, error: Error) -> Error {
    match error {
        Error::Other(words) => Error::Other(format!("statement {number}: {words}")),
        error => error,
    }
}

fn run(connection: &Connection, statement: &Statement) -> Result<u64, Error> {
    let mut prepared = connection.prepare_cached(&statement.sql).map_err(words)?;
    if prepared.column_count() > 0 {
        return Err(Error::InvalidArgument);
    }
    let changed = prepared.execute(params_from_iter(parameters(statement))).map_err(words)?;
    Ok(changed as u64)
}

fn parameters(statement: &Statement) -> impl Iterator<Item = Stored> {
    statement.parameters.iter().map(|value| match value {
        Value::Null => Stored::Null,
        Value::Integer(number) => Stored::Integer(*number),
        Value::Real(number) => Stored::Real(*number),
        Value::Text(text) => Stored::Text(text.clone()),
        Value::Blob(bytes) => Stored::Blob(bytes.clone()),
    })
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

fn words(error: rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::InvalidParameterCount(..) => Error::InvalidArgument,
        other => Error::Other(other.to_string()),
    }
}
