//! Who may manage the cache: who has the token.

use super::answers::Refusal;
use crate::secret::Secret;
use crate::service::Service;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// The variable with the token, where it is in no file.
const VARIABLE: &str = "IMAGE_CACHE_ADMIN_TOKEN";

/// The token that operators must show, where there is one.
#[derive(Debug)]
pub struct Guard {
    file: Option<PathBuf>,
    token: RwLock<Option<Secret>>,
}

impl Guard {
    pub fn load(file: Option<&Path>) -> anyhow::Result<Guard> {
        let token = RwLock::new(Secret::of_file_or_variable(file, VARIABLE)?);
        Ok(Guard { file: file.map(Path::to_owned), token })
    }

    /// Reads the file again; where it is faulty, the token stays as it was.
    pub fn reload(&self) -> anyhow::Result<()> {
        let fresh = Secret::of_file_or_variable(self.file.as_deref(), VARIABLE)?;
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub fn asks_for_a_token(&self) -> bool {
        self.token.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
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

/// Lets through who shows the token.
pub async fn guard(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    if service.guard.admits(request.headers()) {
        return next.run(request).await;
    }
    let refusal =
        Refusal::unauthorized("The token is missing or wrong: it is to come as X-Auth-Token.");
    let mut response = refusal.into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
