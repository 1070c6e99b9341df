//! The capability `wasi`: WASI 0.2 over an empty context, for toolchains that require it.
//!
//! No files, no environment, no arguments, no network; standard input is closed. Lines on standard output and standard error are
//! messages in the driver's log. Clocks and random numbers work. Waiting ends at the call's deadline.

mod output;

use crate::driver::deadline::Deadline;
pub use output::GuestOutput;
use std::time::Duration;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::sync::io::poll::HostPollable;

/// How often a waiting guest's pollables are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Maximum number of random bytes that one call returns.
const MAX_RANDOM: u64 = 64 << 10;

/// A context without any contents, which writes to `output`.
pub fn empty_context(output: &GuestOutput) -> WasiCtx {
    WasiCtx::builder()
        .stdout(output.clone())
        .stderr(output.clone())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM)
        .build()
}

/// Runs work on its own thread. wasmtime-wasi blocks on a tokio runtime, which panics on a thread that belongs to a
/// runtime, and the caller's thread may.
pub fn on_own_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let joined = std::thread::scope(|scope| scope.spawn(work).join());
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub fn pause(deadline: &Deadline) -> wasmtime::Result<()> {
    wasmtime::ensure!(!deadline.passed(), "it waited longer than a call may take");
    std::thread::sleep(POLL_INTERVAL.min(deadline.remaining()));
    Ok(())
}

pub fn ready(
    table: &mut ResourceTable,
    pollables: &[Resource<DynPollable>],
) -> wasmtime::Result<Vec<u32>> {
    let mut ready = Vec::new();
    for (index, pollable) in (0_u32..).zip(pollables) {
        if table.ready(Resource::new_borrow(pollable.rep()))? {
            ready.push(index);
        }
    }
    Ok(ready)
}

#[cfg(test)]
mod tests;
