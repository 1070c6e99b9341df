//! Work on the threads of tokio that may block.

use crate::error::{Error, Result};
use tokio::task::JoinHandle;

/// Runs what may block on tokio's threads for that.
pub(super) async fn blocking<T, E, F>(work: F) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
    F: FnOnce() -> Result<T, E> + Send + 'static,
{
    joined(tokio::task::spawn_blocking(work)).await
}

/// What came of it.
pub(super) async fn joined<T, E: From<Error>>(work: JoinHandle<Result<T, E>>) -> Result<T, E> {
    match work.await {
        Ok(result) => result,
        Err(lost) if lost.is_panic() => std::panic::resume_unwind(lost.into_panic()),
        Err(_) => Err(Error::RuntimeStopped.into()),
    }
}
