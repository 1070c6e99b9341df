//! The prefetcher's file of credentials: no line is lost or shown, and no field of the request itself is overwritten.

use super::super::prefetch::credentials;

/// The fields that describe the request itself.
const REQUEST_FIELDS: [&str; 5] =
    ["host", "connection", "content-length", "range", "transfer-encoding"];

/// The input is the file's bytes.
pub fn check(data: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), data).expect("it is writable");
    match credentials::headers(Some(file.path())) {
        Ok(headers) => {
            let text = String::from_utf8_lossy(data);
            let lines = text.trim().lines().map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            assert_eq!(headers.len(), lines.count(), "a line is lost or doubled");
            for name in REQUEST_FIELDS {
                assert!(!headers.contains_key(name), "{name} is the request's own");
            }
            // With this type, no log shows the values.
            assert!(headers.values().all(|value| value.is_sensitive()), "a log shows it");
        }
        Err(error) => {
            let shown = format!("{error:#}");
            assert!(is_fixed_text(&shown, &file.path().display().to_string()), "{shown:?}");
        }
    }
}

/// Whether the error consists of the file's path, the number of a line, and texts that do not depend on the input. A
/// search for the input's lines would find those that happen to be a part of such a text.
fn is_fixed_text(error: &str, path: &str) -> bool {
    if error == format!("{path} is not UTF-8")
        || error == format!("{path} is empty: it must contain a secret")
    {
        return true;
    }
    let Some((number, problem)) =
        error.strip_prefix("line ").and_then(|rest| rest.split_once(&format!(" of {path}")))
    else {
        return false;
    };
    let problems =
        [" is not Name: value: invalid HTTP header name", " has a value that is not allowed"];
    number.bytes().all(|byte| byte.is_ascii_digit())
        && (problems.contains(&problem)
            || REQUEST_FIELDS.iter().any(|name| problem == format!(": {name} is no credential")))
}
