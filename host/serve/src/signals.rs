//! SIGTERM and SIGINT stop the service in order, a second one at once; SIGHUP has it read its secrets and
//! certificates again. systemd is told of each.

use sd_notify::NotifyState;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Reads secrets and certificates again; if one is faulty, it stays as it was.
pub trait Reload: Fn() -> anyhow::Result<()> + Send + Sync + 'static {}

impl<F: Fn() -> anyhow::Result<()> + Send + Sync + 'static> Reload for F {}

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
    /// Stops on SIGTERM and SIGINT; calls `reload` on SIGHUP.
    pub fn on_signals(reload: impl Reload) -> io::Result<Stop> {
        let (tell, stop) = watch::channel(Phase::Serving);
        let signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        };
        tokio::spawn(signals.obey(reload, tell));
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
        // Nobody is left to tell: that is a stop, too.
        let _ = self.0.wait_for(|reached| *reached >= phase).await;
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    async fn obey(mut self, reload: impl Reload, tell: watch::Sender<Phase>) {
        let mut phase = Phase::Serving;
        while phase < Phase::Now {
            let stops = tokio::select! {
                _ = self.terminate.recv() => true,
                _ = self.interrupt.recv() => true,
                _ = self.hangup.recv() => false,
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

fn run_reload(reload: &impl Reload) {
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

/// Nobody but systemd listens, and it need not.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd does not hear us");
    }
}
