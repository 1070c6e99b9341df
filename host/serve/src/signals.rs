//! SIGTERM and SIGINT stop the service in order, a second one at once; SIGHUP has it read its secrets and
//! certificates again. systemd is told of each.

use sd_notify::NotifyState;
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How far a stop has come.
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
    /// Stops on SIGTERM and SIGINT; on SIGHUP it calls `reload`, which keeps what is faulty as it was.
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

    /// Returns once the service is to stop.
    pub async fn wait(&mut self) {
        self.reach(Phase::Stopping).await;
    }

    /// Returns once it is to stop whatever is under way.
    pub async fn wait_for_now(&mut self) {
        self.reach(Phase::Now).await;
    }

    /// Whether the service is to stop.
    pub fn has_come(&self) -> bool {
        *self.0.borrow() >= Phase::Stopping
    }

    async fn reach(&mut self, phase: Phase) {
        // If the sender is gone, that is a stop, too.
        let _ = self.0.wait_for(|reached| *reached >= phase).await;
    }
}

/// Tells systemd that the service is ready, and, if systemd has a watchdog, again and again that it is alive.
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
            tracing::error!("what was to be read again is faulty, and stays as it was: {error:#}")
        }
    }
    notify(&[NotifyState::Ready]);
}

/// Tells systemd, if it listens.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd does not hear us");
    }
}
