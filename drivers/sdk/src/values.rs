//! Unsigned numbers as values of SQL, whose integers are signed, and statements.

use crate::sql::{Statement, Value};

/// The largest number that the host accepts in a record.
const LARGEST: u64 = i64::MAX as u64;

/// A statement with its parameters.
///
/// ```
/// use image_cache_driver_sdk::prelude::*;
///
/// let count = statement("UPDATE images SET hits = hits + ?1 WHERE image_id = ?2", vec![integer(1), Value::Text("a".into())]);
/// assert_eq!(count.parameters.len(), 2);
/// ```
pub fn statement(sql: &str, parameters: Vec<Value>) -> Statement {
    Statement { sql: sql.into(), parameters }
}

/// An unsigned number as a parameter; a number above 2^63 - 1 becomes that one, the largest of SQLite.
///
/// ```
/// # use image_cache_driver_sdk::prelude::*;
/// assert_eq!(integer(7), Value::Integer(7));
/// assert_eq!(integer(u64::MAX), Value::Integer(i64::MAX));
/// ```
pub fn integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The number in a column, from 0 to 2^63 - 1; a negative number, text or another value is 0. The sum of large numbers is a double
/// in SQLite: it is rounded down.
///
/// ```
/// # use image_cache_driver_sdk::prelude::*;
/// assert_eq!(unsigned(&Value::Integer(7)), 7);
/// assert_eq!(unsigned(&Value::Real(1e30)), i64::MAX as u64);
/// assert_eq!(unsigned(&Value::Text("7".into())), 0);
/// ```
pub fn unsigned(value: &Value) -> u64 {
    match value {
        Value::Integer(number) => u64::try_from(*number).unwrap_or(0),
        Value::Real(number) => (*number as u64).min(LARGEST), // Saturates; NaN becomes 0.
        Value::Null | Value::Text(_) | Value::Blob(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_no_number_or_no_unsigned_one_are_0() {
        assert_eq!(unsigned(&Value::Integer(-1)), 0);
        assert_eq!(unsigned(&Value::Real(f64::NAN)), 0);
        assert_eq!(unsigned(&Value::Real(-0.5)), 0);
        assert_eq!(unsigned(&Value::Null), 0);
        assert_eq!(unsigned(&Value::Blob(vec![1])), 0);
    }
}
