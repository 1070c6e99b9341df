//! The options that the operator gave a driver: the driver takes them one by one, and each remaining option is an error that
//! names it.

use crate::ConfigurationError;
use std::str::FromStr;

/// The options of `configure`. Take those that the driver supports, then call [`finish`](Options::finish).
///
/// ```
/// use image_cache_driver_sdk::{ConfigurationError, Options};
///
/// fn max_age(mut options: Options) -> Result<u64, ConfigurationError> {
///     let days = options.take_parsed("max-age-days", "a whole number of days")?.unwrap_or(30);
///     options.finish()?;
///     Ok(days)
/// }
///
/// let given = |name: &str, value: &str| Options::from(vec![(name.to_string(), value.to_string())]);
/// assert_eq!(max_age(given("max-age-days", "7")).unwrap(), 7);
/// assert!(max_age(given("max-age-days", "soon")).is_err());
/// assert!(max_age(given("max-days", "7")).is_err());
/// ```
#[derive(Debug, Default)]
pub struct Options {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl Options {
    /// The value of an option, or none if it was not given. After this call the option counts as supported.
    pub fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let found = self.given.iter().position(|(given, _)| given == name)?;
        Some(self.given.swap_remove(found).1)
    }

    /// The same, parsed. `accepted` describes the accepted values, for the error.
    pub fn take_parsed<T: FromStr>(
        &mut self,
        name: &'static str,
        accepted: &str,
    ) -> Result<Option<T>, ConfigurationError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let fault = |_| {
            ConfigurationError::InvalidOption(format!("option {name}: '{value}' is not {accepted}"))
        };
        value.parse().map(Some).map_err(fault)
    }

    /// All options whose names begin with `prefix`, without the prefix, ascending by name. They then count as supported.
    pub fn take_prefixed(&mut self, prefix: &'static str) -> Vec<(String, String)> {
        self.known.push(prefix);
        let mut taken = Vec::new();
        self.given.retain(|(name, value)| match name.strip_prefix(prefix) {
            Some(rest) if !rest.is_empty() => {
                taken.push((rest.to_owned(), value.clone()));
                false
            }
            _ => true,
        });
        taken.sort();
        taken
    }

    /// Returns an error with the names of all options that were not taken.
    pub fn finish(self) -> Result<(), ConfigurationError> {
        if self.given.is_empty() {
            return Ok(());
        }
        let unknown: Vec<_> = self.given.iter().map(|(name, _)| name.as_str()).collect();
        let accepted = match self.known.as_slice() {
            [] => "this driver takes none".to_string(),
            known => {
                // A prefix stands for every name that begins with it.
                let name = |name: &&str| match name.ends_with('.') {
                    true => format!("{name}NAME"),
                    false => (*name).to_owned(),
                };
                let names: Vec<String> = known.iter().map(name).collect();
                format!("this driver takes {}", names.join(", "))
            }
        };
        Err(ConfigurationError::InvalidOption(format!(
            "unknown option {}; {accepted}",
            unknown.join(", ")
        )))
    }
}

impl From<Vec<(String, String)>> for Options {
    fn from(given: Vec<(String, String)>) -> Self {
        Options { given, known: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(given: &[(&str, &str)]) -> Options {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        given.iter().map(owned).collect::<Vec<_>>().into()
    }

    fn words(error: ConfigurationError) -> String {
        match error {
            ConfigurationError::InvalidOption(words) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_options_are_fine() {
        assert!(options(&[]).finish().is_ok());
    }

    #[test]
    fn unknown_options_are_refused_by_name() {
        let error = options(&[("b", "1"), ("a", "2")]).finish().expect_err("names are unknown");
        assert_eq!(words(error), "unknown option b, a; this driver takes none");
        let mut some = options(&[("b", "1"), ("a", "2")]);
        assert_eq!(some.take("a").as_deref(), Some("2"));
        assert_eq!(some.take("c"), None);
        assert_eq!(
            words(some.finish().expect_err("names are unknown")),
            "unknown option b; this driver takes a, c"
        );
    }

    #[test]
    fn a_value_that_does_not_parse_is_named() {
        let error = options(&[("age", "old")])
            .take_parsed::<u64>("age", "a number of days")
            .expect_err("the value is no number");
        assert_eq!(words(error), "option age: 'old' is not a number of days");
    }
}
