//! The lines that an operator sees in the log.

use image_cache_tests::Tested;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// A log in memory.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a function, and returns the lines that an operator saw meanwhile.
pub fn logged(work: impl FnOnce() -> Tested) -> Tested<Vec<String>> {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, work)?;
    let written = written.0.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(String::from_utf8(written.clone())?.lines().map(str::to_owned).collect())
}
