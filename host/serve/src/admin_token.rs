//! The token that operators must show.

use super::secret::Secret;
use hyper::header::{AUTHORIZATION, HeaderMap};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// The variable with the token, if it is in no file.
const VARIABLE: &str = "IMAGE_CACHE_ADMIN_TOKEN";

/// The token that operators must show, if there is one.
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

    /// Reads the file again; if it is faulty, the token stays as it was.
    pub fn reload(&self) -> anyhow::Result<()> {
        let fresh = Secret::of_file_or_variable(self.file.as_deref(), VARIABLE)?;
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Whether operators must show a token.
    pub fn is_required(&self) -> bool {
        self.token.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether a request with these headers shows the token, if one is required.
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        let Some(token) = &*token else { return true };
        shown(headers).is_some_and(|shown| token.is(shown))
    }
}

/// The token that a request shows: as Glance's clients do, or else as Prometheus does.
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(token) = headers.get("x-auth-token") {
        return Some(token.as_bytes());
    }
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}
