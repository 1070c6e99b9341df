//! Whether the client may have an image.

use super::Record;
use crate::body::Body;
use crate::upstream::UpstreamError;
use hyper::Response;
use std::sync::Arc;

/// Whether the client may have an image.
pub(super) enum AuthDecision {
    /// It may; with Glance's record of the image, if Glance was asked.
    Allowed(Option<Arc<Record>>),
    /// Glance is unreachable, and the operator allows cached images in this case.
    Unreachable(UpstreamError),
    Denied(Response<Body>),
}
