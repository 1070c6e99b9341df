//! The capability `wasi`: WASI 0.2 over an empty context, for toolchains that cannot do without it.
//!
//! No files, no environment, no arguments, no network; standard input is closed and output goes nowhere. Clocks and
//! random numbers work. Waiting ends with the call's deadline.

use crate::driver::Deadline;
use crate::driver::state::HostState;
use std::time::Duration;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::sync::io::poll::HostPollable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// How often a waiting guest's pollables are looked at.
const PAUSE: Duration = Duration::from_millis(1);

/// Most bytes of random numbers that one call answers.
const MAX_RANDOM: u64 = 64 << 10;

/// A context without anything in it.
pub(crate) fn empty_context() -> WasiCtx {
    WasiCtx::builder()
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM)
        .build()
}

/// Links all of WASI 0.2, with waits of our own: wasmtime-wasi's block for as long as the guest likes.
pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    let mut poll = linker.instance("wasi:io/poll@0.2.12")?;
    poll.func_wrap(
        "[method]pollable.block",
        |mut store: StoreContextMut<'_, HostState>, (one,): (Resource<DynPollable>,)| {
            wait(store.data_mut(), &[one])?;
            Ok(())
        },
    )?;
    poll.func_wrap(
        "poll",
        |mut store: StoreContextMut<'_, HostState>, (all,): (Vec<Resource<DynPollable>>,)| {
            Ok((wait(store.data_mut(), &all)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Works on a thread of its own. wasmtime-wasi blocks on a tokio runtime, which panics on a thread that is itself one of a
/// runtime's, as a caller's may be.
pub(crate) fn apart<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let joined = std::thread::scope(|scope| scope.spawn(work).join());
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The indices of the pollables that are ready, as soon as one is.
fn wait(state: &mut HostState, pollables: &[Resource<DynPollable>]) -> wasmtime::Result<Vec<u32>> {
    wasmtime::ensure!(!pollables.is_empty(), "it waits for nothing, which would never end");
    state.charged(|state| {
        let deadline = state.clock.deadline().clone();
        loop {
            let ready = ready(&mut state.table, pollables)?;
            if !ready.is_empty() {
                return Ok(ready);
            }
            pause(&deadline)?;
        }
    })
}

fn pause(deadline: &Deadline) -> wasmtime::Result<()> {
    wasmtime::ensure!(!deadline.passed(), "it waited longer than a call may take");
    std::thread::sleep(PAUSE.min(deadline.remaining()));
    Ok(())
}

fn ready(
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

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: self.wasi.get_or_insert_with(empty_context), table: &mut self.table }
    }
}

#[cfg(test)]
mod tests;
