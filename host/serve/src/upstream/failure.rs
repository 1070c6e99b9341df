//! Why the upstream gave no response.

use crate::timeout_body::SenderTimeout;
use hyper_util::client::legacy;
use std::error::Error;

/// Why there is no response of the upstream.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamError {
    /// Nobody asked for anything that it could be asked for.
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
        match in_full(&error) {
            _ if is_of_client(&error) => UpstreamError::ClientStalled,
            _ if is_time_out(&error) => UpstreamError::TimedOut,
            words if error.is_connect() => UpstreamError::Unreachable(words),
            words if is_unreadable(&error) => UpstreamError::Unreadable(words),
            words => UpstreamError::BrokeOff(words),
        }
    }
}

fn is_unreadable(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
        || error.source().is_some_and(is_unreadable)
}

/// Whether a request failed because its body did not come from the client in time.
fn is_of_client(error: &(dyn Error + 'static)) -> bool {
    error.is::<SenderTimeout>() || error.source().is_some_and(is_of_client)
}

fn is_time_out(error: &(dyn Error + 'static)) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::TimedOut)
        || error.source().is_some_and(is_time_out)
}

fn in_full(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
