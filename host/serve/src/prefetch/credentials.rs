//! The prefetcher's credentials: headers for the upstream, out of a file or the environment, never logged.

use crate::secret::Secret;
use anyhow::{Context, bail};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, RANGE, TRANSFER_ENCODING,
};
use std::path::PathBuf;

/// The variable with the credentials, if they are in no file.
const VARIABLE: &str = "IMAGE_CACHE_PREFETCH_CREDENTIALS";

/// Fields of the request itself, not of its user.
const NO_CREDENTIALS: [HeaderName; 5] =
    [CONNECTION, CONTENT_LENGTH, HOST, RANGE, TRANSFER_ENCODING];

/// Where the credentials are. They are read for each request: tokens expire, and others renew them.
#[derive(Debug)]
pub struct Credentials {
    file: Option<PathBuf>,
}

impl Credentials {
    pub fn new(file: Option<PathBuf>) -> Credentials {
        Credentials { file }
    }

    /// The headers that the upstream is shown; none if there are no credentials.
    pub fn headers(&self) -> anyhow::Result<HeaderMap> {
        let secret = Secret::of_file_or_variable(self.file.as_deref(), VARIABLE)?;
        let origin = match &self.file {
            Some(file) => file.display().to_string(),
            None => format!("${VARIABLE}"),
        };
        secret.map_or(Ok(HeaderMap::new()), |secret| parse(&secret, &origin))
    }
}

/// A token, or headers, one a line. No error shows what is in it.
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
            name.trim().parse().with_context(|| format!("{} is no header (Name: value)", at()))?;
        if NO_CREDENTIALS.contains(&name) {
            bail!("{}: {name} is no credential", at());
        }
        let mut value = HeaderValue::from_str(value.trim())
            .ok()
            .with_context(|| format!("{} has a value that no header can have", at()))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn headers(text: &str) -> anyhow::Result<HeaderMap> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        Credentials::new(Some(file.path().to_owned())).headers()
    }

    #[test]
    fn a_token_alone_goes_as_x_auth_token_and_headers_go_as_they_are() {
        let token = headers("gAAAAB-token_1\n").expect("a token");
        assert_eq!(token["x-auth-token"], "gAAAAB-token_1");
        let several = headers("# for the mirror\nAuthorization: Basic YTpi\nX-Roles: reader\n");
        let several = several.expect("two headers");
        assert_eq!(
            (&several["authorization"], &several["x-roles"]),
            (&HeaderValue::from_static("Basic YTpi"), &HeaderValue::from_static("reader"))
        );
        assert!(!format!("{several:?}").contains("YTpi"));
    }

    #[test]
    fn what_is_no_credential_is_refused_without_being_shown() {
        for faulty in ["Host: swordfish", "swor dfish: x", "X-Auth-Token: sword\u{7}fish"] {
            let error = format!("{:#}", headers(faulty).expect_err(faulty));
            assert!(error.contains("line 1 of "), "{error}");
            assert!(!error.contains("fish"), "{error}");
        }
    }
}
