//! Which profile responds to a client's request.

use super::body::Body;
use super::options::Profile;
use super::service::Service;
use super::{glance, plain};
use hyper::{Request, Response};
use std::sync::Arc;

/// Responds to a well-formed request.
pub async fn respond(service: Arc<Service>, request: Request<Body>) -> Response<Body> {
    match service.options.origin.profile {
        Profile::Glance => glance::respond(&service, request).await,
        Profile::Plain => plain::respond(&service, request).await,
    }
}
