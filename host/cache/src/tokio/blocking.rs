//! Work on tokio's blocking threads.

use crate::error::{Error, Result};
use tokio::task::JoinHandle;

/// Runs blocking work on one of tokio's blocking threads.
pub(super) async fn blocking<T, E, F>(work: F) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
    F: FnOnce() -> Result<T, E> + Send + 'static,
{
    joined(tokio::task::spawn_blocking(work)).await
}

/// Waits for the result.
pub(super) async fn joined<T, E: From<Error>>(work: JoinHandle<Result<T, E>>) -> Result<T, E> {
    match work.await {
        Ok(result) => result,
        Err(lost) if lost.is_panic() => std::panic::resume_unwind(lost.into_panic()),
        Err(_) => Err(Error::RuntimeStopped.into()),
    }
}
