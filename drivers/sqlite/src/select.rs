//! A SELECT on Glance's table, and what to do where a text in it is not UTF-8: ask for it as bytes.

use image_cache_driver_sdk::prelude::*;

/// The columns that hold texts.
const TEXTS: [&str; 2] = ["image_id", "checksum"];

/// A SELECT whose columns are told apart, so that some can be asked for as bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    pub columns: &'static [&'static str],
    /// From WHERE on. An id that was answered comes back as `CAST(?n AS TEXT)`: it may be bytes then.
    pub rest: &'static str,
    pub parameters: Vec<Value>,
}

impl Select {
    /// The rows. What is text in the table and no UTF-8 is a blob in them.
    pub fn rows(&self) -> Result<Vec<Vec<Value>>, Error> {
        match sql::query(&self.statement(str::to_string)) {
            // Whatever it is, the second answer says it again, unless it was a text.
            Err(Error::Other(_)) => {}
            answer => return Ok(answer?.rows),
        }
        let as_bytes = |column: &str| match TEXTS.contains(&column) {
            true => format!("CAST({column} AS BLOB)"),
            // Text in the place of a number says nothing.
            false => format!("iif(typeof({column}) = 'text', NULL, {column})"),
        };
        let rows = sql::query(&self.statement(as_bytes))?.rows;
        Ok(rows.into_iter().map(|row| row.into_iter().map(text_again).collect()).collect())
    }

    fn statement(&self, column: impl Fn(&str) -> String) -> Statement {
        let columns: Vec<String> = self.columns.iter().map(|name| column(name)).collect();
        let sql = format!("SELECT {} FROM cached_images {}", columns.join(", "), self.rest);
        Statement { sql, parameters: self.parameters.clone() }
    }
}

fn text_again(value: Value) -> Value {
    match value {
        Value::Blob(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Value::Text(text),
            Err(other) => Value::Blob(other.into_bytes()),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_again_where_they_can_be() {
        assert_eq!(text_again(Value::Blob(b"\xc3\xa9".to_vec())), Value::Text("é".into()));
        assert_eq!(text_again(Value::Blob(vec![0xff])), Value::Blob(vec![0xff]));
        assert_eq!(text_again(Value::Null), Value::Null);
    }
}
