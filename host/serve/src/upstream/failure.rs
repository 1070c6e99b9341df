//! Why the upstream gave no response.

use super::connection::SendError;
use crate::timeout_body::SenderTimeout;
use anyhow::Chain;
use std::io;

/// Why the upstream gave no response.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamError {
    /// The request's path is invalid for the upstream.
    #[error("the path is malformed")]
    Malformed,
    /// The service cannot connect to the upstream.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(String),
    /// The connection was interrupted before a response arrived, or the bytes were not a response.
    #[error("the upstream gave no response: {0}")]
    BrokeOff(String),
    /// Its response is malformed.
    #[error("the upstream's response cannot be read: {0}")]
    Unreadable(String),
    /// The client does not send the rest of its request.
    #[error("the client sends no more data")]
    ClientStalled,
    /// It did not respond in time.
    #[error("the upstream does not respond")]
    TimedOut,
}

impl From<SendError> for UpstreamError {
    fn from(error: SendError) -> UpstreamError {
        let causes = || Chain::new(&*error.cause);
        let words: Vec<String> = causes().map(ToString::to_string).collect();
        let words = words.join(": ");
        // The client did not send the body in time.
        let is_of_client = causes().any(|cause| cause.is::<SenderTimeout>());
        let is_time_out = |cause: &io::Error| cause.kind() == io::ErrorKind::TimedOut;
        if is_of_client {
            UpstreamError::ClientStalled
        } else if causes().any(|it| it.downcast_ref().is_some_and(is_time_out)) {
            UpstreamError::TimedOut
        } else if error.is_unreachable {
            UpstreamError::Unreachable(words)
        } else if causes().any(|it| it.downcast_ref().is_some_and(hyper::Error::is_parse)) {
            UpstreamError::Unreadable(words)
        } else {
            UpstreamError::BrokeOff(words)
        }
    }
}
