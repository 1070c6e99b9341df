//! SIGTERM and SIGINT stop the service gracefully, a second one stops it at once; SIGHUP makes it read its secrets and
//! certificates again, and load its driver again. systemd is notified of each.

use sd_notify::NotifyState;
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The state of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Stopping,
    Now,
}

/// Waits for the stop; clones wait for the same one.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Phase>);

impl Stop {
    /// Stops on SIGTERM and SIGINT; on SIGHUP it calls `reload`, which keeps the old values if new ones are invalid, and logs its
    /// result.
    pub fn on_signals<F>(reload: impl Fn() -> F + Send + Sync + 'static) -> io::Result<Stop>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (tell, stop) = watch::channel(Phase::Serving);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            let mut reloading = tokio::spawn(async {});
            let mut phase = Phase::Serving;
            while phase < Phase::Now {
                let stops = tokio::select! {
                    _ = terminate.recv() => true,
                    _ = interrupt.recv() => true,
                    _ = hangup.recv() => false,
                };
                if stops {
                    phase = if phase == Phase::Serving { Phase::Stopping } else { Phase::Now };
                    tracing::info!(at_once = phase == Phase::Now, "stopping");
                    notify(&[NotifyState::Stopping]);
                    tell.send_replace(phase);
                } else if phase == Phase::Serving && reloading.is_finished() {
                    // A stop does not wait for it.
                    reloading = tokio::spawn(run_reload(reload()));
                } else if phase == Phase::Serving {
                    tracing::warn!("SIGHUP is ignored: the last one is still being handled");
                }
            }
        });
        Ok(Stop(stop))
    }

    /// Returns when the service must stop.
    pub async fn wait(&mut self) {
        self.reach(Phase::Stopping).await;
    }

    /// Returns when the service must stop at once.
    pub async fn wait_for_now(&mut self) {
        self.reach(Phase::Now).await;
    }

    /// Whether the service must stop.
    pub fn has_come(&self) -> bool {
        *self.0.borrow() >= Phase::Stopping
    }

    async fn reach(&mut self, phase: Phase) {
        // If the sender no longer exists, that is also a stop.
        let _ = self.0.wait_for(|reached| *reached >= phase).await;
    }
}

/// Notifies systemd that the service is ready, and regularly that it is alive if systemd has a watchdog.
pub async fn notify_ready(mut stop: Stop) {
    notify(&[NotifyState::Ready]);
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    loop {
        tokio::select! {
            () = tokio::time::sleep(patience / 3) => notify(&[NotifyState::Watchdog]),
            () = stop.wait_for_now() => return,
        }
    }
}

async fn run_reload(reload: impl Future<Output = ()>) {
    let begun = NotifyState::monotonic_usec_now();
    notify(&[&[NotifyState::Reloading], begun.ok().as_slice()].concat());
    reload.await;
    notify(&[NotifyState::Ready]);
}

/// Notifies systemd, if the service runs under it.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}
