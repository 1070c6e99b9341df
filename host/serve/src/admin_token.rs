//! The token for requests to the admin listener.

use super::secret::Secret;
use hyper::header::{AUTHORIZATION, HeaderMap};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// The environment variable with the token, if there is no file.
const VARIABLE: &str = "IMAGE_CACHE_ADMIN_TOKEN";

/// The token that requests must have, if one is configured.
#[derive(Debug)]
pub struct AdminToken {
    file: Option<PathBuf>,
    token: RwLock<Option<Secret>>,
}

impl AdminToken {
    /// Reads the token from the file, or else from the environment.
    pub fn load(file: Option<&Path>) -> anyhow::Result<AdminToken> {
        let token = RwLock::new(Secret::of_file_or_variable(file, VARIABLE)?);
        Ok(AdminToken { file: file.map(Path::to_owned), token })
    }

    /// Reads the file again; if that fails, the token does not change.
    pub fn reload(&self) -> anyhow::Result<()> {
        let fresh = Secret::of_file_or_variable(self.file.as_deref(), VARIABLE)?;
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Whether requests must have a token.
    pub fn is_required(&self) -> bool {
        self.token.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether these headers have the right token, if one is required.
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        let Some(token) = &*token else { return true };
        shown(headers).is_some_and(|shown| token.is(shown))
    }
}

/// The token of a request: in the field of Glance's clients, or else in that of Prometheus.
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(token) = headers.get("x-auth-token") {
        return Some(token.as_bytes());
    }
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}
