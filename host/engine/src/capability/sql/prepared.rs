//! Which of a guest's statements are in the connection's cache: those need no memory limit for preparing.

use super::interrupt::Interrupt;
use super::memory;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, CachedStatement, Connection, Error, ErrorCode, Result};

/// Maximum number of the guest's prepared statements in the cache; the host has one more of its own.
pub(super) const MAX_PREPARED: usize = 64;

/// The texts of the statements in a connection's cache, which has at least the same capacity: both are emptied together.
#[derive(Debug, Default)]
pub(super) struct Prepared(Vec<Box<str>>);

impl Prepared {
    /// The statement, from the connection's cache or prepared within limits.
    pub fn statement<'a>(
        &mut self,
        connection: &'a Connection,
        interrupt: &Interrupt,
        sql: &str,
    ) -> Result<CachedStatement<'a>> {
        if let Some(at) = self.0.iter().position(|known| **known == *sql) {
            // A statement that is often used is found first.
            self.0.swap(0, at);
            return connection.prepare_cached(sql);
        }
        interrupt.set_preparing(true);
        let statement = memory::preparing(|| prepare(connection, sql));
        interrupt.set_preparing(false);
        let statement = statement?;
        if self.0.len() == MAX_PREPARED {
            // The new statement enters the emptied cache when it is dropped.
            self.forget_all(connection);
        }
        self.0.push(sql.into());
        Ok(statement)
    }

    /// Empties the cache: from now on, every statement is prepared again.
    pub fn forget_all(&mut self, connection: &Connection) {
        connection.flush_prepared_statement_cache();
        self.0.clear();
    }
}

/// Prepares a statement. rusqlite also prepares what follows it, to see whether that is another statement: an error in that must
/// not look like one in the first.
fn prepare<'a>(connection: &'a Connection, sql: &str) -> Result<CachedStatement<'a>> {
    connection.prepare_cached(sql).map_err(|error| {
        let code = match &error {
            Error::SqlInputError { error, .. } => Some(error.code),
            other => other.sqlite_error_code(),
        };
        let is_in_text = code == Some(ErrorCode::Unknown);
        let is_first_good = || matches!(Batch::new(connection, sql).next(), Ok(Some(_)));
        if is_in_text && is_first_good() { Error::MultipleStatement } else { error }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::deadline::Deadline;

    fn interrupt() -> Interrupt {
        Interrupt::new(None, 1 << 20, &Deadline::default())
    }

    #[test]
    fn no_more_texts_count_as_prepared_than_the_connection_caches() {
        memory::count_by_thread();
        let connection = Connection::open_in_memory().expect("a database");
        connection.set_prepared_statement_cache_capacity(MAX_PREPARED + 1);
        let (mut prepared, interrupt) = (Prepared::default(), interrupt());
        for n in 0..10 * MAX_PREPARED as i64 {
            let sql = format!("SELECT {n}");
            let mut statement =
                prepared.statement(&connection, &interrupt, &sql).expect("it parses");
            let answer: i64 = statement.query_row([], |row| row.get(0)).expect("a number");
            assert_eq!(answer, n);
            assert!(prepared.0.len() <= MAX_PREPARED);
            assert!(prepared.0.iter().any(|known| **known == *sql));
        }
    }
}
