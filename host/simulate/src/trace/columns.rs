//! The columns of a CSV file with what is known of a request.

use std::str::FromStr;

/// Columns that every trace has: the time, the id and the size.
pub(super) const REQUIRED: usize = 3;

/// Columns that a trace can have: the tenant, and how long a fetch takes.
pub(super) const OPTIONAL: usize = 2;

/// Which columns of a CSV file have the time, the id, the size, the tenant and the time of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// By their names in the first line; the last two can be missing.
    Named([String; REQUIRED], [Option<String>; OPTIONAL]),
    /// By their numbers, from 1; the last two can be missing.
    Numbered([usize; REQUIRED], [Option<usize>; OPTIONAL]),
}

/// Why a list of columns is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "name the columns of the time, the id and the size, in this order, by their names or by their numbers from 1: `time,id,size` or `2,5,4`; the tenant and the time of a fetch may follow: `time,id,size,tenant,fetch_time`, or `time,id,size,-,fetch_time` without a tenant"
)]
pub struct InvalidColumns;

/// What stands for an optional column that a trace does not have.
const NONE: &str = "-";

impl FromStr for Columns {
    type Err = InvalidColumns;

    fn from_str(text: &str) -> Result<Self, InvalidColumns> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let (required, rest) = parts.split_first_chunk::<REQUIRED>().ok_or(InvalidColumns)?;
        if rest.len() > OPTIONAL || parts.iter().any(|part| part.is_empty()) {
            return Err(InvalidColumns);
        }
        let optional = [0, 1].map(|at| rest.get(at).copied().filter(|name| *name != NONE));
        let number = |part: &str| part.parse::<usize>().ok();
        let all = required.iter().chain(optional.iter().flatten());
        match all.clone().filter(|part| number(part).is_some()).count() {
            0 => Ok(Columns::Named(
                required.map(str::to_owned),
                optional.map(|name| name.map(str::to_owned)),
            )),
            numbers
                if numbers == all.clone().count()
                    && all.clone().all(|part| number(part) > Some(0)) =>
            {
                let required = required.map(|part| number(part).unwrap_or(1));
                Ok(Columns::Numbered(required, optional.map(|part| part.and_then(number))))
            }
            _ => Err(InvalidColumns),
        }
    }
}
