//! Logs the panics of a service. Rust's own message would wait for the reader of standard error, and would not have the
//! format of the log.

use std::panic::PanicHookInfo;

/// Logs panics from now on.
pub fn log_panics() {
    std::panic::set_hook(Box::new(log));
}

fn log(panic: &PanicHookInfo<'_>) {
    let words = panic.payload_as_str().unwrap_or("without a message");
    let location = panic.location().map(ToString::to_string);
    tracing::error!(panic = words, location, "a part of the service panicked");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_one_line_of_the_log_with_its_message_and_location() {
        let lines = Lines::default();
        let written = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone());
        let usual = std::panic::take_hook();
        log_panics();
        let panicked = tracing::subscriber::with_default(subscriber.finish(), || {
            std::panic::catch_unwind(|| panic!("the {}\nfails", "disk"))
        });
        std::panic::set_hook(usual);
        assert!(panicked.is_err());
        let lines = written.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lines = String::from_utf8_lossy(&lines);
        assert_eq!(lines.lines().count(), 1, "{lines}");
        for said in ["ERROR", r#"panic="the disk\nfails""#, "location=\"", "panics.rs:"] {
            assert!(lines.contains(said), "{said}: {lines}");
        }
    }
}
