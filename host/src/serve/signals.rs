//! SIGTERM and SIGINT stop the service in order.

use super::service::Service;
use std::io;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Waits for the stop; clones wait for the same one.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Stops when the process is told to.
    pub fn on_signals(_service: &Arc<Service>) -> io::Result<Stop> {
        let (tell, stop) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tell.send_replace(true);
        });
        Ok(Stop(stop))
    }

    /// Returns once the service is to stop.
    pub async fn wait(&mut self) {
        // Nobody is left to tell: that is a stop, too.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
