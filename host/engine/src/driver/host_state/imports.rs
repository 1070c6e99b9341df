//! What guests import, each on a driver's state: the WIT interfaces of `wit/`, and WASI.

use super::HostState;
use crate::bindings::image_cache::driver::{attributes, files, log, sql};
use crate::capability::files::{MAX_LISTINGS, page, set_accessed, stat};
use crate::capability::wasi::{empty_context, pause, ready};
use crate::capability::{Error, io_error};
use crate::driver::peak_usage::Bound;
use image_cache_store::Scan;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::{WasiCtxView, WasiView};

impl sql::Host for HostState {
    fn execute(&mut self, statement: sql::Statement) -> wasmtime::Result<Result<u64, Error>> {
        Ok(self.charged(|state| state.database()?.execute(&statement)))
    }

    fn query(
        &mut self,
        statement: sql::Statement,
    ) -> wasmtime::Result<Result<sql::QueryResult, Error>> {
        Ok(self.charged(|state| {
            let result = state.database()?.query(&statement)?;
            state.usage.note(Bound::Rows, result.rows.len() as u64);
            Ok(result)
        }))
    }

    fn execute_all(
        &mut self,
        statements: Vec<sql::Statement>,
    ) -> wasmtime::Result<Result<Vec<u64>, Error>> {
        Ok(self.charged(|state| {
            state.usage.note(Bound::Statements, statements.len() as u64);
            state.database()?.execute_all(&statements)
        }))
    }
}

impl attributes::Host for HostState {
    fn is_supported(&mut self) -> wasmtime::Result<bool> {
        self.charged(|state| {
            let Ok((own, images)) = state.attributes() else { return Ok(false) };
            // The interface has no word for this: a driver that went on without an answer would be wrong either way.
            own.is_supported(&images.directory).map_err(|error| {
                let words =
                    "it cannot be found out whether the cache's file system keeps user attributes";
                wasmtime::Error::msg(format!("{words}: {error}"))
            })
        })
    }

    fn get(
        &mut self,
        id: String,
        name: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(self.charged(|state| {
            let (own, images) = state.attributes()?;
            own.get(images, &id, &name)
        }))
    }

    fn set(
        &mut self,
        id: String,
        name: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.charged(|state| {
            let (own, images) = state.attributes()?;
            own.set(images, &id, &name, &value)
        }))
    }

    fn remove(&mut self, id: String, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.charged(|state| {
            let (own, images) = state.attributes()?;
            own.remove(images, &id, &name)
        }))
    }

    fn add(
        &mut self,
        id: String,
        name: String,
        delta: i64,
    ) -> wasmtime::Result<Result<i64, Error>> {
        Ok(self.charged(|state| {
            let (own, images) = state.attributes()?;
            own.add(images, &id, &name, delta)
        }))
    }
}

impl HostState {
    fn list(&mut self) -> Result<Resource<Scan>, Error> {
        if self.listings >= MAX_LISTINGS {
            return Err(Error::TooLarge);
        }
        let files = self.images()?.directory.cached_files().map_err(|e| io_error(&e))?;
        let listing = self.table.push(files).map_err(|_| Error::TooLarge)?;
        self.listings += 1;
        self.usage.note(Bound::Listings, self.listings as u64);
        Ok(listing)
    }
}

impl files::Host for HostState {
    fn stat(&mut self, image_id: String) -> wasmtime::Result<Result<Option<files::File>, Error>> {
        Ok(self.charged(|state| stat(state.images_mut()?, &image_id)))
    }

    fn list_cached(&mut self) -> wasmtime::Result<Result<Resource<Scan>, Error>> {
        Ok(self.charged(HostState::list))
    }

    fn set_accessed(&mut self, image_id: String, at: u64) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.charged(|state| set_accessed(state.images()?, &image_id, at)))
    }
}

impl files::HostListing for HostState {
    fn next(
        &mut self,
        listing: Resource<Scan>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<files::File>, Error>> {
        self.charged(|state| {
            let deadline = state.clock.deadline().clone();
            let listing = state.table.get_mut(&listing)?;
            Ok(page(listing, limit, || deadline.passed()))
        })
    }

    fn drop(&mut self, listing: Resource<Scan>) -> wasmtime::Result<()> {
        self.table.delete(listing)?;
        self.listings = self.listings.saturating_sub(1);
        Ok(())
    }
}

impl log::Host for HostState {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.charged(|state| state.log.say(level, &message));
        Ok(())
    }
}

/// Links all of WASI 0.2, with waits of our own: wasmtime-wasi's block for as long as the guest likes.
pub fn link_wasi(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
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

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: self.wasi.get_or_insert_with(empty_context), table: &mut self.table }
    }
}
