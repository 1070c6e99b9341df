//! The imports of guests of WASI, implemented on a driver's state.

use super::HostState;
use crate::capability::wasi::{pause, ready};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::{WasiCtxView, WasiView};

/// Links all of WASI 0.2, with our own waiting: wasmtime-wasi's blocks without a limit.
pub fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
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

/// Returns the indices of the ready pollables when at least one is ready.
fn wait(state: &mut HostState, pollables: &[Resource<DynPollable>]) -> wasmtime::Result<Vec<u32>> {
    wasmtime::ensure!(!pollables.is_empty(), "it waits for nothing, which would never end");
    state.in_host(|state| {
        let deadline = state.clock.deadline.clone();
        loop {
            let ready = ready(&mut state.table, pollables)?;
            if !ready.is_empty() {
                return Ok(ready);
            }
            pause(&deadline)?;
        }
    })
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.view(&mut self.table)
    }
}
