//! The columns of a CSV file with the time, the id and the size of a request.

use std::str::FromStr;

/// Which columns of a CSV file have the time, the id and the size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// By their names in the first line.
    Named([String; 3]),
    /// By their numbers, from 1.
    Numbered([usize; 3]),
}

/// Why a list of columns is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "name the columns of the time, the id and the size, in this order, by their names or by their numbers from 1: `time,id,size` or `2,5,4`"
)]
pub struct InvalidColumns;

impl FromStr for Columns {
    type Err = InvalidColumns;

    fn from_str(text: &str) -> Result<Self, InvalidColumns> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let parts = <[&str; 3]>::try_from(parts).map_err(|_| InvalidColumns)?;
        let numbers = parts.map(|part| part.parse::<usize>().ok());
        match numbers {
            [Some(time), Some(id), Some(size)] if time.min(id).min(size) > 0 => {
                Ok(Columns::Numbered([time, id, size]))
            }
            [None, None, None] if parts.iter().all(|part| !part.is_empty()) => {
                Ok(Columns::Named(parts.map(str::to_owned)))
            }
            _ => Err(InvalidColumns),
        }
    }
}
