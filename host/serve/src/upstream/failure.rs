//! Why the upstream gave no response.

use crate::timeout_body::SenderTimeout;
use anyhow::Chain;
use hyper_util::client::legacy;
use std::io;

/// Why there is no response of the upstream.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamError {
    /// The request's path is none that the upstream can be asked for.
    #[error("the path is malformed")]
    Malformed,
    /// There is no connection to it.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke off before there was a response, or what came was none.
    #[error("the upstream gave no answer: {0}")]
    BrokeOff(String),
    /// Its response is none that can be read.
    #[error("the upstream's answer cannot be read: {0}")]
    Unreadable(String),
    /// The client does not send the rest of its request.
    #[error("the client sends no more")]
    ClientStalled,
    /// It did not respond in time.
    #[error("the upstream does not answer")]
    TimedOut,
}

impl From<legacy::Error> for UpstreamError {
    fn from(error: legacy::Error) -> UpstreamError {
        let words: Vec<String> = Chain::new(&error).map(ToString::to_string).collect();
        let words = words.join(": ");
        // Its body did not come from the client in time.
        let is_of_client = Chain::new(&error).any(|cause| cause.is::<SenderTimeout>());
        let is_time_out = |cause: &io::Error| cause.kind() == io::ErrorKind::TimedOut;
        if is_of_client {
            UpstreamError::ClientStalled
        } else if Chain::new(&error).any(|it| it.downcast_ref().is_some_and(is_time_out)) {
            UpstreamError::TimedOut
        } else if error.is_connect() {
            UpstreamError::Unreachable(words)
        } else if Chain::new(&error).any(|it| it.downcast_ref().is_some_and(hyper::Error::is_parse))
        {
            UpstreamError::Unreadable(words)
        } else {
            UpstreamError::BrokeOff(words)
        }
    }
}
