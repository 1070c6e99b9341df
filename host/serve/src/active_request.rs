//! A request that is being served; while it is, its connection is not idle.

use super::body::{self, Body};
use super::connections::ConnectionSlot;
use super::timeout_body::TimeoutBody;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use std::sync::Arc;
use std::time::Duration;

/// A request that is being served, until it is dropped.
pub struct ActiveRequest(Arc<ConnectionSlot>);

impl ActiveRequest {
    pub fn new(slot: Arc<ConnectionSlot>) -> ActiveRequest {
        ActiveRequest(slot)
    }

    /// Begins to serve the request; returns its body, with a timeout.
    pub fn begin(&self, body: Incoming, timeout: Duration) -> Body {
        // An empty body needs no timeout, and must be seen to be empty.
        let has_body = !body.is_end_stream();
        let connection = &self.0.connection;
        connection.begin_request(has_body);
        match has_body {
            false => body::empty(),
            true => TimeoutBody::of_client(body, timeout, Arc::clone(connection)).boxed_unsync(),
        }
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.end_request();
    }
}
