//! SIGTERM and SIGINT stop the service gracefully, a second one stops it at once; SIGHUP makes it read its secrets and
//! certificates again. systemd is notified of each.

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
    /// Stops on SIGTERM and SIGINT; on SIGHUP it calls `reload`, which keeps the old value if a new one is invalid.
    pub fn on_signals(
        reload: impl Fn() -> anyhow::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Stop> {
        let (tell, stop) = watch::channel(Phase::Serving);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
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
                } else if phase == Phase::Serving {
                    run_reload(&reload);
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

fn run_reload(reload: &impl Fn() -> anyhow::Result<()>) {
    let begun = NotifyState::monotonic_usec_now();
    notify(&[&[NotifyState::Reloading], begun.ok().as_slice()].concat());
    match reload() {
        Ok(()) => tracing::warn!("read secrets and certificates again"),
        Err(error) => {
            tracing::error!("a secret or certificate is invalid and stays as it was: {error:#}")
        }
    }
    notify(&[NotifyState::Ready]);
}

/// Notifies systemd, if the service runs under it.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}
