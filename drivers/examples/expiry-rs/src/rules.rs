//! The options: a time to live for each prefix of ids.

use image_cache_driver_sdk::{ConfigurationError, Options};

/// The prefix of the options that name the beginning of ids.
const OF_PREFIX: &str = "ttl.";

const MICROS: u64 = 1_000_000;

/// The times to live, in microseconds.
pub struct Rules {
    /// For images that no prefix matches; none if they do not expire.
    default: Option<u64>,
    /// Longest prefix first.
    of: Vec<(String, u64)>,
}

impl Rules {
    /// Takes the option `default` and all options `ttl.PREFIX`, in seconds; 0 means that such images do not expire.
    pub fn take(options: &mut Options) -> Result<Rules, ConfigurationError> {
        let default: Option<u64> = options.take_parsed("default", "a whole number of seconds")?;
        let mut of = Vec::new();
        for (prefix, value) in options.take_prefixed(OF_PREFIX) {
            let fault = |_| {
                let words = format!(
                    "option {OF_PREFIX}{prefix}: '{value}' is not a whole number of seconds"
                );
                ConfigurationError::InvalidOption(words)
            };
            let seconds: u64 = value.parse().map_err(fault)?;
            of.push((prefix, seconds.saturating_mul(MICROS)));
        }
        of.sort_unstable_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Rules { default: default.map(|seconds| seconds.saturating_mul(MICROS)), of })
    }

    /// The time to live of an image; none if it does not expire.
    pub fn of(&self, image_id: &str) -> Option<u64> {
        let rule = self.of.iter().find(|(prefix, _)| image_id.starts_with(prefix.as_str()));
        rule.map(|(_, ttl)| *ttl).or(self.default).filter(|ttl| *ttl > 0)
    }

    /// Whether an image that was written at `written` has expired.
    pub fn is_expired(&self, image_id: &str, written: u64, now: u64) -> bool {
        self.of(image_id).is_some_and(|ttl| written.saturating_add(ttl) <= now)
    }
}
