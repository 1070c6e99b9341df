//! Admission on the second request: an image that is requested only once does not displace one that is in use.

use crate::sql::{self, Statement, Value};
use crate::types::Error;
use crate::{ConfigurationError, Options, error_words};
use std::str::FromStr;

/// First requests that are remembered, at most: with their index, about 10 MB.
const MOST_REMEMBERED: i64 = 100_000;

/// How long a first request counts by default: a day, in seconds.
const DAY: u64 = 24 * 60 * 60;

const MICROS: u64 = 1_000_000;

/// The places grow, so the oldest request has the smallest one.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS first_requests (\
    place INTEGER PRIMARY KEY AUTOINCREMENT, image_id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL)";

const FIND: &str = "SELECT at FROM first_requests WHERE image_id = ?1";

const REMEMBER: &str = "INSERT OR REPLACE INTO first_requests (image_id, at) VALUES (?1, ?2)";

const TRIM: &str =
    "DELETE FROM first_requests WHERE place <= (SELECT max(place) FROM first_requests) - ?1";

/// Which images a driver admits, apart from its own conditions. The operator chooses it by the option `admission`.
///
/// With `two-hit`, an image is admitted at its second request: its first one is only remembered, for the seconds of the option
/// `within` (a day by default). Of a trace in which many images are requested once, this keeps those out of the cache.
/// B. M. Maggs, R. K. Sitaraman, "Algorithmic Nuggets in Content Delivery", ACM SIGCOMM Computer Communication Review 45(3), 2015
/// ("cache-on-second-hit").
///
/// The requests are in a table of the driver's database: this needs the grant `sql`.
pub struct Admission {
    /// How long a first request counts, in microseconds; `None` admits every image.
    within: Option<u64>,
}

/// The values of the option `admission`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    All,
    TwoHit,
}

impl FromStr for Rule {
    type Err = ();

    fn from_str(text: &str) -> Result<Rule, ()> {
        match text {
            "all" => Ok(Rule::All),
            "two-hit" => Ok(Rule::TwoHit),
            _ => Err(()),
        }
    }
}

impl Admission {
    /// Takes the options `admission` and `within`, and creates the table if it is needed. For `configure`.
    pub fn take(options: &mut Options) -> Result<Admission, ConfigurationError> {
        let rule = options.take_parsed("admission", "\"all\" or \"two-hit\"")?;
        let within = take_within(options)?;
        match rule.unwrap_or(Rule::All) {
            Rule::TwoHit => Admission::open(within.unwrap_or(DAY)),
            Rule::All if within.is_some() => Err(ConfigurationError::InvalidOption(
                "option within: it is for admission = \"two-hit\"".into(),
            )),
            Rule::All => Ok(Admission { within: None }),
        }
    }

    /// Admission on the second request for every configuration: takes only the option `within`. For `configure`.
    pub fn two_hit(options: &mut Options) -> Result<Admission, ConfigurationError> {
        Admission::open(take_within(options)?.unwrap_or(DAY))
    }

    fn open(seconds: u64) -> Result<Admission, ConfigurationError> {
        let made = sql::execute(&Statement { sql: TABLE.into(), parameters: Vec::new() });
        made.map_err(|error| {
            let words = format!("making the table first_requests: {}", error_words(&error));
            ConfigurationError::Other(words)
        })?;
        Ok(Admission { within: Some(seconds.saturating_mul(MICROS)) })
    }

    /// Whether the image is admitted. For `is_cacheable`: it remembers a first request. A call that the host repeats has the same
    /// time, so it does not count as a second request.
    pub fn admits(&mut self, image_id: &str, now: u64) -> Result<bool, Error> {
        let Some(within) = self.within else { return Ok(true) };
        let id = || Value::Text(image_id.into());
        let rows = sql::query(&Statement { sql: FIND.into(), parameters: vec![id()] })?.rows;
        let first = match rows.first().map(Vec::as_slice) {
            Some([Value::Integer(at)]) => u64::try_from(*at).ok(),
            _ => None,
        };
        match request(first, now, within) {
            Request::Second => Ok(true),
            Request::Repeated => Ok(false),
            Request::First => {
                let at = Value::Integer(i64::try_from(now).unwrap_or(i64::MAX));
                let remember = Statement { sql: REMEMBER.into(), parameters: vec![id(), at] };
                let most = vec![Value::Integer(MOST_REMEMBERED)];
                let trim = Statement { sql: TRIM.into(), parameters: most };
                sql::execute_all(&[remember, trim]).map(|_| false)
            }
        }
    }
}

fn take_within(options: &mut Options) -> Result<Option<u64>, ConfigurationError> {
    options.take_parsed("within", "a whole number of seconds")
}

/// What a request is, as far as earlier ones are remembered.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    First,
    /// The call that remembered the first request, once more.
    Repeated,
    Second,
}

/// `first` is the time of the remembered request, `now` that of this one, both in microseconds.
fn request(first: Option<u64>, now: u64, within: u64) -> Request {
    match first {
        Some(first) if first == now => Request::Repeated,
        // The clock may have been set back.
        Some(first) if now.abs_diff(first) <= within => Request::Second,
        _ => Request::First,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_request_counts_for_a_time() {
        assert_eq!(request(None, 100, 50), Request::First);
        assert_eq!(request(Some(100), 100, 50), Request::Repeated);
        assert_eq!(request(Some(100), 150, 50), Request::Second);
        assert_eq!(request(Some(100), 151, 50), Request::First);
        assert_eq!(request(Some(100), 99, 50), Request::Second);
    }

    #[test]
    fn a_time_without_two_hit_is_refused() {
        let given = |options: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
            Options::from(options.iter().map(owned).collect::<Vec<_>>())
        };
        let none = Admission::take(&mut given(&[])).expect("every image is admitted");
        assert_eq!(none.within, None);
        assert!(Admission::take(&mut given(&[("within", "60")])).is_err());
        assert!(Admission::take(&mut given(&[("admission", "some")])).is_err());
        assert!(Admission::take(&mut given(&[("within", "soon")])).is_err());
    }
}
