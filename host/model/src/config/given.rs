//! Values as given, and functions that read them.

use super::fault::{Rejected, quoted};
use bytesize::ByteSize;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

/// A value before it is read.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "config-files"), allow(dead_code, reason = "only TOML has types"))]
pub(super) enum Given<'a> {
    /// From a flag, a variable, an INI file, or a TOML string.
    Text(&'a OsStr),
    /// A TOML integer; `None` if it does not fit into 128 bits.
    Integer(Option<i128>),
    /// A TOML boolean.
    Switch(bool),
    /// A TOML value of another type, described in words.
    Other(&'a str),
}

impl<'a> Given<'a> {
    /// The text; another type is rejected.
    pub(super) fn os_text(&self, accepted: &str) -> Result<&'a OsStr, Rejected> {
        match self {
            Given::Text(text) => Ok(text),
            other => Err(other.rejected(accepted)),
        }
    }

    /// The text, which must be UTF-8; another type is rejected.
    pub(super) fn text(&self, accepted: &str) -> Result<&'a str, Rejected> {
        let text = self.os_text(accepted)?;
        text.to_str().ok_or_else(|| {
            let found = format!("{}, which is not UTF-8", quoted(&text.to_string_lossy()));
            Rejected::new(found, accepted)
        })
    }

    /// Rejects the value, with the accepted values.
    pub(super) fn rejected(&self, accepted: &str) -> Rejected {
        Rejected::new(self.found(), accepted)
    }

    /// The value in words.
    fn found(&self) -> String {
        match self {
            Given::Text(text) => quoted(&text.to_string_lossy()),
            Given::Integer(Some(number)) => number.to_string(),
            Given::Switch(on) => on.to_string(),
            Given::Integer(None) => "a number of more than 128 bits".to_owned(),
            Given::Other(words) => (*words).to_owned(),
        }
    }
}

/// A path, which need not be UTF-8.
pub(super) fn path(given: &Given<'_>, accepted: &str) -> Result<PathBuf, Rejected> {
    given.os_text(accepted).map(PathBuf::from)
}

/// A text.
pub(super) fn string(given: &Given<'_>, accepted: &str) -> Result<String, Rejected> {
    given.text(accepted).map(str::to_owned)
}

/// Bytes: a whole number, or a number with a unit. At most 2^63 - 1, the largest size of a file.
pub(super) fn bytes(given: &Given<'_>, accepted: &str) -> Result<u64, Rejected> {
    read(given, accepted, |text| fits(bytes_in(text)?), fits)
}

/// A whole number, at most 2^63 - 1.
pub(super) fn count(given: &Given<'_>, accepted: &str) -> Result<u64, Rejected> {
    read(given, accepted, |text| fits(text.trim().parse().ok()?), fits)
}

/// A time: whole seconds, or a number with a unit.
pub(super) fn time(given: &Given<'_>, accepted: &str) -> Result<Duration, Rejected> {
    read(given, accepted, time_in, |seconds| Some(Duration::from_secs(seconds)))
}

/// A switch: `true` or `false`; as text in upper or lower case.
pub(super) fn switch(given: &Given<'_>, accepted: &str) -> Result<bool, Rejected> {
    let on = match given {
        Given::Text(text) => text.to_str().and_then(|text| text.to_ascii_lowercase().parse().ok()),
        Given::Switch(on) => Some(*on),
        Given::Integer(_) | Given::Other(_) => None,
    };
    on.ok_or_else(|| given.rejected(accepted))
}

/// One of a few names.
pub(super) fn choice<T: std::str::FromStr>(
    given: &Given<'_>,
    accepted: &str,
) -> Result<T, Rejected> {
    let name = given.os_text(accepted)?.to_str();
    let choice = name.and_then(|name| name.parse().ok());
    choice.ok_or_else(|| given.rejected(accepted))
}

/// A value from a text or a whole number.
fn read<T>(
    given: &Given<'_>,
    accepted: &str,
    of_text: fn(&str) -> Option<T>,
    of_number: fn(u64) -> Option<T>,
) -> Result<T, Rejected> {
    let value = match given {
        Given::Text(text) => text.to_str().and_then(of_text),
        Given::Integer(number) => {
            number.and_then(|number| u64::try_from(number).ok()).and_then(of_number)
        }
        Given::Switch(_) | Given::Other(_) => None,
    };
    value.ok_or_else(|| given.rejected(accepted))
}

fn fits(number: u64) -> Option<u64> {
    i64::try_from(number).is_ok().then_some(number)
}

/// Bytes in a text: a whole number, or a number with a unit (`5 MB`, `1.5 GiB`).
///
/// ```
/// assert_eq!(image_cache_model::parse_bytes("5 MB"), Ok(5_000_000));
/// assert!(image_cache_model::parse_bytes("five").is_err());
/// ```
///
/// # Errors
/// What is accepted.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let accepted = "accepted: bytes (5242880), or a number with a unit (\"5 MB\", \"5 MiB\")";
    bytes_in(text).and_then(fits).ok_or_else(|| accepted.to_owned())
}

fn bytes_in(text: &str) -> Option<u64> {
    let text = text.trim();
    let has_unit = text.ends_with(|last: char| last.is_ascii_alphabetic());
    // A fraction of a byte is a mistake, which the crate would round.
    if text.contains('.') && !has_unit {
        return None;
    }
    text.parse::<ByteSize>().ok().map(|size| size.as_u64())
}

fn time_in(text: &str) -> Option<Duration> {
    let text = text.trim();
    match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Option<u64> {
        bytes(&Given::Text(text.as_ref()), "").ok()
    }

    fn duration(text: &str) -> Option<Duration> {
        time(&Given::Text(text.as_ref()), "").ok()
    }

    #[test]
    fn sizes_take_decimal_and_binary_units() {
        for (text, expected) in [
            ("0", 0),
            ("10737418240", 10 << 30),
            ("10 GiB", 10 << 30),
            ("10gib", 10 << 30),
            ("500MB", 500_000_000),
            ("1.5 KiB", 1536),
            (" 7 B ", 7),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(size(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn a_text_that_is_not_a_size_is_refused() {
        for text in [
            "",
            " ",
            "-1",
            "-1 GiB",
            "ten",
            "10 Gigs",
            "1.5",
            "GiB",
            "1e3",
            "0x10",
            "NaN",
            "inf",
            "9223372036854775808",
            "8 EiB",
            "99999999999999999999",
            "99999999999999999999 GiB",
            "1..5 KiB",
            "1 G i B",
        ] {
            assert_eq!(size(text), None, "{text:?}");
        }
    }

    #[test]
    fn times_take_units_and_bare_seconds() {
        for (text, expected) in [
            ("0", Duration::ZERO),
            ("86400", Duration::from_secs(86_400)),
            ("24h", Duration::from_secs(86_400)),
            ("1 day", Duration::from_secs(86_400)),
            ("1h 30m", Duration::from_secs(5_400)),
            ("500ms", Duration::from_millis(500)),
            ("0.5s", Duration::from_millis(500)),
        ] {
            assert_eq!(duration(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn a_text_that_is_not_a_time_is_refused() {
        for text in ["", " ", "-1", "-1h", "0.5", "soon", "24 hourses", "99999999999999999999", "h"]
        {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_switch_accepts_only_true_and_false() {
        let on = |text: &str| switch(&Given::Text(text.as_ref()), "").ok();
        assert_eq!((on("true"), on("False"), on("TRUE")), (Some(true), Some(false), Some(true)));
        for text in ["", "1", "yes", "on", " true"] {
            assert_eq!(on(text), None, "{text:?}");
        }
        assert!(switch(&Given::Integer(Some(1)), "").is_err());
    }

    #[test]
    fn integers_out_of_range_are_refused() {
        for number in [Some(-1), Some(i128::from(u64::MAX)), Some(i128::MAX), None] {
            assert!(bytes(&Given::Integer(number), "").is_err(), "{number:?}");
        }
        assert!(time(&Given::Integer(Some(-1)), "").is_err());
    }
}
