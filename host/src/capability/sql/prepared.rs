//! Which of a guest's statements the connection holds prepared: those need no bound on the memory that preparing takes.

use super::memory;
use super::opening::STATEMENTS;
use rusqlite::{CachedStatement, Connection, Result};

/// The texts of the statements in a connection's cache, which holds no fewer: it is emptied together with them.
#[derive(Debug, Default)]
pub(super) struct Prepared(Vec<Box<str>>);

impl Prepared {
    /// The statement, from the connection's cache or made within bounds.
    pub fn statement<'a>(
        &mut self,
        connection: &'a Connection,
        sql: &str,
    ) -> Result<CachedStatement<'a>> {
        if let Some(at) = self.0.iter().position(|known| **known == *sql) {
            // Where it is asked for again and again, it is found at once.
            self.0.swap(0, at);
            return connection.prepare_cached(sql);
        }
        let statement = memory::preparing(|| connection.prepare_cached(sql))?;
        if self.0.len() == STATEMENTS {
            // The one in hand goes into the emptied cache when it is done.
            connection.flush_prepared_statement_cache();
            self.0.clear();
        }
        self.0.push(sql.into());
        Ok(statement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_texts_are_taken_for_prepared_than_the_connection_keeps() {
        let connection = Connection::open_in_memory().expect("a database");
        connection.set_prepared_statement_cache_capacity(STATEMENTS + 1);
        let mut prepared = Prepared::default();
        for n in 0..10 * STATEMENTS as i64 {
            let sql = format!("SELECT {n}");
            let mut statement = prepared.statement(&connection, &sql).expect("it parses");
            let answer: i64 = statement.query_row([], |row| row.get(0)).expect("a number");
            assert_eq!(answer, n);
            assert!(prepared.0.len() <= STATEMENTS);
            assert!(prepared.0.iter().any(|known| **known == *sql));
        }
    }
}
