//! The prefetcher's credentials: header fields for the upstream, from a file or the environment, never logged.

use crate::secret::Secret;
use anyhow::{Context, bail};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, RANGE, TRANSFER_ENCODING,
};
use std::path::Path;

/// The environment variable with the credentials, if there is no file.
const VARIABLE: &str = "IMAGE_CACHE_PREFETCH_CREDENTIALS";

/// Fields that describe the request itself, not its user.
const NO_CREDENTIALS: [HeaderName; 5] =
    [CONNECTION, CONTENT_LENGTH, HOST, RANGE, TRANSFER_ENCODING];

/// The header fields for the upstream; none if there are no credentials. They are read for each request, because tokens expire
/// and are renewed by other programs.
pub fn headers(file: Option<&Path>) -> anyhow::Result<HeaderMap> {
    let secret = Secret::of_file_or_variable(file, VARIABLE)?;
    let origin = match file {
        Some(file) => file.display().to_string(),
        None => format!("${VARIABLE}"),
    };
    secret.map_or(Ok(HeaderMap::new()), |secret| parse(&secret, &origin))
}

/// Parses a token, or header fields, one per line. No error shows their content.
fn parse(secret: &Secret, origin: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (n, line) in secret.text().lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = || format!("line {} of {origin}", n + 1);
        let (name, value) = line.split_once(':').unwrap_or(("X-Auth-Token", line));
        let name: HeaderName =
            name.trim().parse().with_context(|| format!("{} is not Name: value", at()))?;
        if NO_CREDENTIALS.contains(&name) {
            bail!("{}: {name} is no credential", at());
        }
        let mut value = HeaderValue::from_str(value.trim())
            .ok()
            .with_context(|| format!("{} has a value that is not allowed", at()))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn headers_of(text: &str) -> anyhow::Result<HeaderMap> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        headers(Some(file.path()))
    }

    #[test]
    fn a_token_is_sent_as_x_auth_token_and_headers_are_sent_unchanged() {
        let token = headers_of("gAAAAB-token_1\n").expect("a token");
        assert_eq!(token["x-auth-token"], "gAAAAB-token_1");
        let several = headers_of("# for the mirror\nAuthorization: Basic YTpi\nX-Roles: reader\n");
        let several = several.expect("two headers");
        assert_eq!(
            (&several["authorization"], &several["x-roles"]),
            (&HeaderValue::from_static("Basic YTpi"), &HeaderValue::from_static("reader"))
        );
        assert!(!format!("{several:?}").contains("YTpi"));
    }

    #[test]
    fn invalid_credentials_are_refused_without_being_shown() {
        for faulty in ["Host: swordfish", "swor dfish: x", "X-Auth-Token: sword\u{7}fish"] {
            let error = format!("{:#}", headers_of(faulty).expect_err(faulty));
            assert!(error.contains("line 1 of "), "{error}");
            assert!(!error.contains("fish"), "{error}");
        }
    }
}
