//! Statements with expected numbers of rows, in SQLite in memory.

use super::sql::transact;
pub use crate::bindings::image_cache::driver::transactions::{CheckedStatement, Outcome};
use crate::types::Error;

/// Runs statements in one transaction: all, or none if one does not change the expected number of rows.
pub fn execute_checked(statements: &[CheckedStatement]) -> Result<Outcome, Error> {
    transact(|run| {
        let mut changed = Vec::with_capacity(statements.len());
        for (number, one) in (1..).zip(statements) {
            let rows = run(number, &one.statement)?;
            if one.expected_rows.is_some_and(|expected| expected != rows) {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                return Ok((Outcome::RolledBack((number, rows)), false));
            }
            changed.push(rows);
        }
        Ok((Outcome::Committed(changed), true))
    })
}
