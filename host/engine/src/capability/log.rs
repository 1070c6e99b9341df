//! The capability `log`: messages for the operator, limited in length and number.

use super::sql::SqlFailure;
use crate::bindings::image_cache::driver::log as wit;
use crate::bindings::image_cache::driver::sql::Statement;
use image_cache_model::printable;
use std::time::{Duration, Instant};

/// Maximum length of a message, in bytes; longer ones are cut.
const MAX_MESSAGE: usize = 4096;

/// Maximum number of messages per second; further ones are only counted.
pub const MAX_PER_SECOND: u64 = 100;

/// Longest text of a failed statement that is shown, in bytes, and longest reason.
const MAX_STATEMENT: usize = 300;
const MAX_REASON: usize = 300;

/// The log of one driver. When it is dropped, it logs how many messages were suppressed.
#[derive(Debug)]
pub struct Log {
    driver: String,
    second: Instant,
    in_second: u64,
    suppressed: u64,
    last_error: Option<String>,
    /// The last line that the guest printed during this call.
    last_line: Option<String>,
    /// The last SQL statement that failed during this call, and why.
    failed_statement: Option<String>,
}

impl Log {
    pub fn new(driver: &str) -> Self {
        Log {
            driver: driver.into(),
            second: Instant::now(),
            in_second: 0,
            suppressed: 0,
            last_error: None,
            last_line: None,
            failed_statement: None,
        }
    }

    /// Starts a call: forgets the last error, and logs how many messages were suppressed.
    pub fn begin_call(&mut self) {
        self.last_error = None;
        self.last_line = None;
        self.failed_statement = None;
        if self.suppressed > 0 {
            self.begin_second(Instant::now());
        }
    }

    /// How many messages arrived in the current second, including suppressed ones.
    pub fn in_second(&self) -> u64 {
        self.in_second
    }

    /// The guest's last message at level error during this call, which is the text of the panic if it panicked; or else the last
    /// line that it printed, which is the text of an exception in most languages.
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref().or(self.last_line.as_deref())
    }

    /// A line on the guest's standard output or standard error.
    pub fn print(&mut self, line: &str) {
        self.last_line = Some(printable(line, MAX_MESSAGE));
        self.log(wit::Level::Warn, line);
    }

    pub fn log(&mut self, level: wit::Level, message: &str) {
        if level == wit::Level::Error {
            self.last_error = Some(printable(message, MAX_MESSAGE));
        }
        self.begin_second(Instant::now());
        self.in_second += 1;
        if self.in_second > MAX_PER_SECOND {
            self.suppressed += 1;
            return;
        }
        let (driver, message) = (self.driver.as_str(), printable(message, MAX_MESSAGE));
        match level {
            wit::Level::Trace => tracing::trace!(target: TARGET, driver, "{message}"),
            wit::Level::Debug => tracing::debug!(target: TARGET, driver, "{message}"),
            wit::Level::Info => tracing::info!(target: TARGET, driver, "{message}"),
            wit::Level::Warn => tracing::warn!(target: TARGET, driver, "{message}"),
            wit::Level::Error => tracing::error!(target: TARGET, driver, "{message}"),
        }
    }

    /// A statement failed; these are all of its call. It is logged at level debug, because a driver may expect it, for example to
    /// find out whether a table exists; if the driver's call fails, its error names the statement. The host writes this line, so it does
    /// not count as the driver's.
    pub fn statement_failed(&mut self, failure: &SqlFailure, statements: &[Statement]) {
        let words = failure_words(failure, statements);
        let driver = self.driver.as_str();
        tracing::debug!(target: TARGET, driver, "{words}");
        self.failed_statement = Some(words);
    }

    /// The last SQL statement that failed during this call, and why.
    pub fn failed_statement(&self) -> Option<&str> {
        self.failed_statement.as_deref()
    }

    fn begin_second(&mut self, now: Instant) {
        if now.duration_since(self.second) < Duration::from_secs(1) {
            return;
        }
        self.log_suppressed();
        (self.second, self.in_second, self.suppressed) = (now, 0, 0);
    }

    fn log_suppressed(&self) {
        if self.suppressed > 0 {
            let (driver, suppressed) = (self.driver.as_str(), self.suppressed);
            tracing::warn!(target: TARGET, driver, "{suppressed} lines were left out");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.log_suppressed();
    }
}

/// Which statement failed, why, and the beginning of its text, in one line.
fn failure_words(failure: &SqlFailure, statements: &[Statement]) -> String {
    let SqlFailure { number, why } = failure;
    let failed = match (number, statements) {
        (Some(number), _) => statements.get(number.saturating_sub(1)),
        (None, [one]) => Some(one),
        // The transaction failed as a whole.
        (None, _) => None,
    };
    let number = number.map(|number| format!(" {number} of {}", statements.len()));
    let mut words = format!("SQL statement{} failed: ", number.unwrap_or_default());
    words += &printable(why, MAX_REASON);
    if let Some(Statement { sql, .. }) = failed {
        // No more than what is shown is read: a statement may have megabytes.
        let start: String = sql.chars().take(2 * MAX_STATEMENT).collect();
        let in_one_line = start.split_whitespace().collect::<Vec<_>>().join(" ");
        words += &format!(": {}", printable(&in_one_line, MAX_STATEMENT));
    }
    words
}

/// The target of a driver's messages in `tracing`.
const TARGET: &str = "image_cache::driver";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excessive_messages_are_counted_and_not_logged() {
        let mut log = Log::new("talkative");
        for _ in 0..MAX_PER_SECOND + 25 {
            log.log(wit::Level::Info, "again");
        }
        assert_eq!(log.suppressed, 25);
        log.begin_second(Instant::now() + Duration::from_secs(2));
        assert_eq!((log.suppressed, log.in_second), (0, 0));
    }

    #[test]
    fn an_escaped_message_is_also_limited() {
        assert_eq!(printable("a\u{202e}b\u{2028}c", 100), "a\\u{202e}b\\u{2028}c");
        let bells = printable(&"\u{7}".repeat(MAX_MESSAGE), MAX_MESSAGE);
        assert!(bells.len() <= MAX_MESSAGE + '…'.len_utf8(), "{} bytes", bells.len());
        assert_eq!(printable("äö", 3), "ä…");
        assert_eq!(printable("äö", 4), "äö");
    }

    #[test]
    fn the_last_error_is_kept_for_a_trap_and_cannot_forge_lines() {
        let mut log = Log::new("broken");
        log.log(wit::Level::Error, "panicked\nINFO all is well");
        assert_eq!(log.last_error(), Some("panicked\\nINFO all is well"));
        log.print("Aborted");
        assert_eq!(log.last_error(), Some("panicked\\nINFO all is well"));
        log.begin_call();
        log.print("ValueError: no such image");
        assert_eq!(log.last_error(), Some("ValueError: no such image"));
        log.begin_call();
        assert_eq!(log.last_error(), None);
    }

    #[test]
    fn a_failed_statement_is_shortened_and_kept_for_its_call() {
        let statement = |sql: &str| Statement { sql: sql.into(), parameters: Vec::new() };
        let failure = |number| SqlFailure { number, why: "no such\ntable".into() };
        let mut log = Log::new("author");
        log.statement_failed(&failure(None), &[statement("DROP\n  TABLE a")]);
        let words = "SQL statement failed: no such\\ntable: DROP TABLE a";
        assert_eq!(log.failed_statement(), Some(words));
        let long = format!("SELECT '{}'", "x".repeat(1 << 20));
        log.statement_failed(&failure(Some(2)), &[statement("BEGIN"), statement(&long)]);
        let words = log.failed_statement().expect("it failed").to_owned();
        assert!(words.starts_with("SQL statement 2 of 2 failed: no such"), "{words}");
        assert!(words.ends_with("xx…") && words.len() < 1000, "{words}");
        log.begin_call();
        assert_eq!(log.failed_statement(), None);
    }
}
