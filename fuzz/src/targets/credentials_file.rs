//! The prefetcher's file of credentials: no line is lost or shown, and no field of the request itself is overwritten.

use super::super::prefetch::credentials;

/// Shorter texts may occur in an error's own text.
const SECRET: usize = 12;

/// The input is the file's bytes.
pub fn check(data: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), data).expect("it is writable");
    let text = String::from_utf8_lossy(data);
    let lines = text.trim().lines().map(str::trim);
    let lines: Vec<&str> =
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    match credentials::headers(Some(file.path())) {
        Ok(headers) => {
            assert_eq!(headers.len(), lines.len(), "a line is lost or doubled");
            for name in ["host", "connection", "content-length", "range", "transfer-encoding"] {
                assert!(!headers.contains_key(name), "{name} is the request's own");
            }
            // With this type, no log shows the values.
            assert!(headers.values().all(|value| value.is_sensitive()), "a log shows it");
        }
        Err(error) => {
            let shown = format!("{error:#}");
            for line in lines.iter().filter(|line| line.len() >= SECRET) {
                assert!(!shown.contains(line), "the error shows it");
            }
        }
    }
}
