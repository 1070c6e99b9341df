//! The bodies of answers and of requests to the upstream.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use std::error::Error;

/// Why a body ended before its end.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// Any body.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// No bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// These bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body of hyper's, as it comes.
pub fn passing(body: hyper::body::Incoming) -> Body {
    body.map_err(Into::into).boxed_unsync()
}
