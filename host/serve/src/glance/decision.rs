//! Whether the caller may have an image.

use super::Record;
use crate::body::Body;
use hyper::Response;
use std::sync::Arc;

/// Whether the caller may have an image.
pub(super) enum AuthDecision {
    /// It may; with Glance's record of the image, if Glance was asked.
    Allowed(Option<Arc<Record>>),
    /// Glance could not be asked, and the operator allows to serve a cached image then.
    Unreachable(Response<Body>),
    Denied(Response<Body>),
}
