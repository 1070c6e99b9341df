//! A SELECT on Glance's table. If a text in the result is not UTF-8, the driver requests it again as bytes.

use image_cache_driver_sdk::prelude::*;

/// The columns with text.
const TEXTS: [&str; 2] = ["image_id", "checksum"];

/// A SELECT with a list of columns, so that the driver can request some of them as bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    pub columns: &'static [&'static str],
    /// The text from WHERE on. An id that a query returned is passed back as `CAST(?n AS TEXT)`: it may be bytes.
    pub rest: &'static str,
    pub parameters: Vec<Value>,
}

impl Select {
    /// The rows. Text that is not UTF-8 is a blob in them.
    pub fn rows(self) -> Result<Vec<Vec<Value>>, Error> {
        let Select { columns, rest, parameters } = self;
        let mut statement = Statement { sql: text(columns, rest, |name| name), parameters };
        match sql::query(&statement) {
            // The error may have another cause than text that is not UTF-8; then the second query returns it again.
            Err(Error::Other(_)) => {}
            answer => return Ok(answer?.rows),
        }
        let as_bytes = |column: &str| match TEXTS.contains(&column) {
            true => format!("CAST({column} AS BLOB)"),
            // Text in place of a number is ignored.
            false => format!("iif(typeof({column}) = 'text', NULL, {column})"),
        };
        statement.sql = text(columns, rest, as_bytes);
        let rows = sql::query(&statement)?.rows;
        Ok(rows.into_iter().map(|row| row.into_iter().map(text_again).collect()).collect())
    }
}

fn text<C: AsRef<str>>(
    columns: &'static [&'static str],
    rest: &str,
    column: impl Fn(&'static str) -> C,
) -> String {
    // Enough for all but the longest texts: a text is created for each call.
    let mut text = String::with_capacity(256);
    let mut before = "SELECT ";
    for name in columns {
        text.push_str(before);
        text.push_str(column(name).as_ref());
        before = ", ";
    }
    text.push_str(" FROM cached_images ");
    text.push_str(rest);
    text
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
