//! Admission on the second request: an image that is requested only once does not displace one that is in use.

use crate::sql::{self, Value};
use crate::types::Error;
use crate::{
    AdmissionRequest, ConfigurationError, Decision, Options, RequestKind, error_words, integer,
    statement, unsigned,
};
use std::str::FromStr;

/// Requests that a table remembers, at most: with their index, about 10 MB.
const MOST_REMEMBERED: i64 = 100_000;

/// How long a first request counts by default: a day, in seconds.
const DAY: u64 = 24 * 60 * 60;

const MICROS: u64 = 1_000_000;

/// How long an admission stands while the image is being fetched, at least: a day, in microseconds.
const LONGEST_FETCH: u64 = DAY * MICROS;

/// A table of requests with their times. The places grow, so the oldest request has the smallest one.
struct Requests {
    create: &'static str,
    find: &'static str,
    remember: &'static str,
    trim: &'static str,
}

macro_rules! requests {
    ($table:literal) => {
        Requests {
            create: concat!(
                "CREATE TABLE IF NOT EXISTS ",
                $table,
                " (place INTEGER PRIMARY KEY AUTOINCREMENT, image_id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL)"
            ),
            find: concat!("SELECT at FROM ", $table, " WHERE image_id = ?1"),
            remember: concat!("INSERT OR REPLACE INTO ", $table, " (image_id, at) VALUES (?1, ?2)"),
            trim: concat!(
                "DELETE FROM ",
                $table,
                " WHERE place <= (SELECT max(place) FROM ",
                $table,
                ") - ?1"
            ),
        }
    };
}

/// The first request of each image, until it is too long ago.
const FIRST: Requests = requests!("first_requests");

/// Requests that were admitted before the size was known: the host asks again at the end of their fetches.
const ADMITTED: Requests = requests!("admitted_requests");

impl Requests {
    fn create(&self) -> Result<(), Error> {
        sql::execute(&statement(self.create, Vec::new())).map(drop)
    }

    /// When the image was requested, if that is remembered.
    fn find(&self, image_id: &str) -> Result<Option<u64>, Error> {
        let id = vec![Value::Text(image_id.into())];
        let rows = sql::query(&statement(self.find, id))?.rows;
        Ok(rows.first().and_then(|row| row.first()).map(unsigned))
    }

    fn remember(&self, image_id: &str, at: u64) -> Result<(), Error> {
        let row = vec![Value::Text(image_id.into()), integer(at)];
        let trim = statement(self.trim, vec![Value::Integer(MOST_REMEMBERED)]);
        sql::execute_all(&[statement(self.remember, row), trim]).map(drop)
    }
}

/// Which images a driver admits, apart from its own conditions. The operator chooses it by the option `admission`.
///
/// With `two-hit`, an image is admitted at its second request: its first one is only remembered, for the seconds of the option
/// `within` (a day by default). Of a trace in which many images are requested once, this keeps those out of the cache. An image
/// that an operator adds or queues is admitted at once.
/// B. M. Maggs, R. K. Sitaraman, "Algorithmic Nuggets in Content Delivery", ACM SIGCOMM Computer Communication Review 45(3), 2015
/// ("cache-on-second-hit").
///
/// The requests are in tables of the driver's database: this needs the grant `sql`. Export `admission`, and answer `admit` by
/// [`decide`](Self::decide):
///
/// ```
/// use image_cache_driver_sdk::client_request;
/// use image_cache_driver_sdk::prelude::*;
/// struct Mine { records: SqlRecords, admission: Admission }
///
/// impl SqlDriver for Mine {
///     fn describe() -> Description { Description { name: "mine".into(), version: "1.0.0".into() } }
///     fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
///         let admission = Admission::take(&mut options)?;
///         options.finish()?;
///         Ok(Mine { records: SqlRecords::open()?, admission })
///     }
///     fn records(&mut self) -> &mut SqlRecords { &mut self.records }
///     fn is_cacheable(&mut self, image_id: String, size: Option<u64>, now: u64) -> Result<bool, Error> {
///         Ok(self.admit(client_request(image_id, size, now))? == Decision::Admit)
///     }
/// }
///
/// impl AdmissionPolicy for Mine {
///     fn admit(&mut self, request: AdmissionRequest) -> Result<Decision, Error> {
///         self.admission.decide(&request)
///     }
/// }
///
/// export_driver!(Mine, admission);
/// # fn main() {}
/// ```
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
        let made = FIRST.create().and_then(|()| ADMITTED.create());
        made.map_err(|error| {
            let words = format!("making the tables of requests: {}", error_words(&error));
            ConfigurationError::Other(words)
        })?;
        Ok(Admission { within: Some(seconds.saturating_mul(MICROS)) })
    }

    /// The answer to `admit`. It remembers a first request, and refuses it with a reason. If it admits a request of unknown size, it
    /// also admits the second question, however long the fetch takes. A call that the host repeats has the same time, so it does
    /// not count as a second request.
    pub fn decide(&mut self, request: &AdmissionRequest) -> Result<Decision, Error> {
        let Some(within) = self.within else { return Ok(Decision::Admit) };
        if matches!(request.requester.kind, RequestKind::Add | RequestKind::Prefetch) {
            return Ok(Decision::Admit);
        }
        if is_confirmed(request, within)? || self.admits(&request.image_id, request.now)? {
            return self.admit(request);
        }
        Ok(Decision::Refuse(format!("first request within {} s", within / MICROS)))
    }

    /// For a driver that admits an image for a reason of its own, before it asks [`decide`](Self::decide): the second question about
    /// an image of unknown size is then admitted too.
    pub fn admit(&mut self, request: &AdmissionRequest) -> Result<Decision, Error> {
        if self.within.is_some() && request.size.is_none() {
            ADMITTED.remember(&request.image_id, request.now)?;
        }
        Ok(Decision::Admit)
    }

    /// Whether a client's request is admitted: [`decide`](Self::decide) without a reason, and without a second question.
    pub fn admits(&mut self, image_id: &str, now: u64) -> Result<bool, Error> {
        let Some(within) = self.within else { return Ok(true) };
        match request(FIRST.find(image_id)?, now, within) {
            Request::Second => Ok(true),
            Request::Repeated => Ok(false),
            Request::First => FIRST.remember(image_id, now).map(|()| false),
        }
    }
}

/// Whether this is the second question about a request that was admitted.
fn is_confirmed(request: &AdmissionRequest, within: u64) -> Result<bool, Error> {
    if request.size.is_none() {
        return Ok(false);
    }
    let admitted = ADMITTED.find(&request.image_id)?;
    Ok(admitted.is_some_and(|at| request.now.abs_diff(at) <= within.max(LONGEST_FETCH)))
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
