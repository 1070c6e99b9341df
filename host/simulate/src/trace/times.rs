//! Times in traces, as microseconds.

use std::str::FromStr;
use time::OffsetDateTime;

/// The largest time that every driver can represent exactly, in microseconds.
const MAX_MICROS: f64 = (1u64 << 53) as f64;

/// The unit of times in a CSV file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds, with or without a fraction.
    #[default]
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl TimeUnit {
    /// All of them.
    pub const ALL: [TimeUnit; 4] =
        [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TimeUnit::Seconds => "s",
            TimeUnit::Milliseconds => "ms",
            TimeUnit::Microseconds => "us",
            TimeUnit::Nanoseconds => "ns",
        }
    }

    /// A time in microseconds; the error says what is wrong.
    pub(super) fn micros(self, text: &str) -> Result<u64, String> {
        let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| format!("the time {} is no number", shown(text)))?;
        let factor = match self {
            TimeUnit::Seconds => 1e6,
            TimeUnit::Milliseconds => 1e3,
            TimeUnit::Microseconds => 1.0,
            TimeUnit::Nanoseconds => 1e-3,
        };
        let micros = (number * factor).round();
        if micros < 0.0 {
            return Err(format!("the time {} is negative", shown(text)));
        }
        if !(0.0..=MAX_MICROS).contains(&micros) {
            return Err(format!(
                "the time {} is out of range in {}; name its unit with --time-unit (s, ms, us or ns)",
                shown(text),
                self.name()
            ));
        }
        Ok(micros as u64)
    }
}

impl FromStr for TimeUnit {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = TimeUnit::ALL.into_iter().find(|unit| unit.name() == name);
        found.ok_or_else(|| format!("there is no unit {name:?}; known are s, ms, us and ns"))
    }
}

/// A calendar time in microseconds since 1970; an earlier one is 1970.
pub(super) fn since_1970(time: OffsetDateTime) -> u64 {
    u64::try_from(time.unix_timestamp_nanos() / 1000).unwrap_or(0)
}

/// A field of a trace, shortened for a message.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    format!("{short:?}{}", if short.len() < text.len() { "…" } else { "" })
}
