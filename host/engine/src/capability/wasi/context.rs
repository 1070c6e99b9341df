//! The empty context of a guest of WASI, and its waiting.

use super::output::GuestOutput;
use crate::driver::deadline::Deadline;
use std::time::Duration;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::sync::io::poll::HostPollable;
use wasmtime_wasi::{WasiCtx, WasiCtxView};

/// How often a waiting guest's pollables are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Maximum number of random bytes that one call returns.
const MAX_RANDOM: u64 = 64 << 10;

/// The context of one instance, and what its guest writes.
#[derive(Default)]
pub struct WasiState {
    /// Created at first use.
    context: Option<WasiCtx>,
    /// What the guest wrote during this call.
    output: GuestOutput,
}

impl WasiState {
    /// The context and the guest's resources, as wasmtime-wasi needs them.
    pub fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiCtxView<'a> {
        let ctx = self.context.get_or_insert_with(|| empty_context(&self.output));
        WasiCtxView { ctx, table }
    }

    /// Takes the lines that the guest wrote.
    pub fn take_lines(&mut self) -> Vec<String> {
        // Only a guest that has used its context can have written.
        if self.context.is_some() { self.output.take_lines() } else { Vec::new() }
    }
}

/// A context without any contents, which writes to `output`.
fn empty_context(output: &GuestOutput) -> WasiCtx {
    WasiCtx::builder()
        .stdout(output.clone())
        .stderr(output.clone())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM)
        .build()
}

/// Waits until the pollables are checked again; an error if the call's time is over.
pub fn pause(deadline: &Deadline) -> wasmtime::Result<()> {
    wasmtime::ensure!(!deadline.passed(), "it waited longer than a call may take");
    std::thread::sleep(POLL_INTERVAL.min(deadline.remaining()));
    Ok(())
}

/// The indices of the pollables that are ready.
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
