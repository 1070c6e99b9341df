//! The imports of guests, implemented on a driver's state: the WIT interfaces of `wit/`.

use super::HostState;
use crate::bindings::image_cache::driver::{
    attributes, capacity, files, log, metrics, pins, sql, transactions,
};
use crate::capability::error::CapabilityError;
use crate::capability::files::{MAX_LISTINGS, page};
use crate::capability::listing::Listing;
use crate::capability::sql::Database;
use crate::driver::peak_usage::Bound;
use image_cache_model::Grant;
use std::collections::BTreeSet;
use wasmtime::component::{HasSelf, Linker, Resource};

/// Links the interfaces that a driver was granted, and those that every driver has. What only some drivers use is linked if the
/// driver imports it: linking takes longer than the start of a driver's instance.
pub fn link(
    linker: &mut Linker<HostState>,
    grants: &BTreeSet<Grant>,
    imports: impl Fn(&str) -> bool,
) -> wasmtime::Result<()> {
    log::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    if imports("capacity") {
        capacity::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    }
    if imports("pins") {
        pins::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    }
    if imports("metrics") {
        metrics::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    }
    for grant in grants {
        match grant {
            Grant::Sql => {
                sql::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
                if imports("transactions") {
                    transactions::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
                }
            }
            Grant::Attributes => attributes::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?,
            Grant::Files => files::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?,
            #[cfg(feature = "wasi")]
            Grant::Wasi => super::wasi_imports::link(linker)?,
            // A component that imports WASI was refused before.
            #[cfg(not(feature = "wasi"))]
            Grant::Wasi => {}
            // The enum may grow; a test shows that each grant of this version is linked.
            other => wasmtime::bail!("this host has no interface for the grant {other}"),
        }
    }
    Ok(())
}

impl sql::Host for HostState {
    fn execute(&mut self, statement: sql::Statement) -> Result<u64, CapabilityError> {
        self.in_database(std::slice::from_ref(&statement), |database| database.execute(&statement))
    }

    fn query(&mut self, statement: sql::Statement) -> Result<sql::QueryResult, CapabilityError> {
        let result = self
            .in_database(std::slice::from_ref(&statement), |database| database.query(&statement))?;
        self.usage.note(Bound::Rows, result.rows.len() as u64);
        Ok(result)
    }

    fn execute_all(
        &mut self,
        statements: Vec<sql::Statement>,
    ) -> Result<Vec<u64>, CapabilityError> {
        self.usage.note(Bound::Statements, statements.len() as u64);
        self.in_database(&statements, |database| database.execute_all(&statements))
    }
}

impl transactions::Host for HostState {
    fn execute_checked(
        &mut self,
        statements: Vec<transactions::CheckedStatement>,
    ) -> Result<transactions::Outcome, CapabilityError> {
        self.usage.note(Bound::Statements, statements.len() as u64);
        let parts = statements.into_iter().map(|one| (one.statement, one.expected_rows));
        let (statements, expected): (Vec<_>, Vec<_>) = parts.unzip();
        self.in_database(&statements, |database| database.execute_checked(&statements, &expected))
    }
}

impl HostState {
    /// Runs statements on the driver's database. If one fails, the log has its text and what is wrong with it, because most errors
    /// of the interface have no text.
    fn in_database<T>(
        &mut self,
        statements: &[sql::Statement],
        work: impl FnOnce(&mut Database) -> Result<T, CapabilityError>,
    ) -> Result<T, CapabilityError> {
        self.in_host(|state| {
            let database = &mut state.cache()?.database;
            let result = work(database);
            if let Some(failure) = database.take_failure() {
                state.log.statement_failed(&failure, statements);
            }
            result
        })
    }
}

impl attributes::Host for HostState {
    fn is_supported(&mut self) -> wasmtime::Result<bool> {
        self.in_host(|state| {
            let Some(cache) = &mut state.cache else { return Ok(false) };
            // The interface has no value for this, and a driver that continued without an answer would be wrong in any case.
            cache.images.has_attributes().map_err(|error| {
                let words =
                    "cannot determine whether the cache's file system supports user attributes";
                wasmtime::Error::msg(format!("{words}: {error}"))
            })
        })
    }

    fn get(&mut self, id: String, name: String) -> Result<Option<Vec<u8>>, CapabilityError> {
        self.in_host(|state| state.cache()?.images.attribute(&id, &name))
    }

    fn set(&mut self, id: String, name: String, value: Vec<u8>) -> Result<(), CapabilityError> {
        self.in_host(|state| state.cache()?.images.set_attribute(&id, &name, &value))
    }

    fn remove(&mut self, id: String, name: String) -> Result<(), CapabilityError> {
        self.in_host(|state| state.cache()?.images.remove_attribute(&id, &name))
    }

    fn add(&mut self, id: String, name: String, delta: i64) -> Result<i64, CapabilityError> {
        self.in_host(|state| state.cache()?.images.add_to_attribute(&id, &name, delta))
    }
}

impl files::Host for HostState {
    fn stat(&mut self, id: String) -> Result<Option<files::File>, CapabilityError> {
        self.in_host(|state| state.cache()?.images.stat(&id))
    }

    fn list_cached(&mut self) -> Result<Resource<Listing>, CapabilityError> {
        self.in_host(|state| {
            if state.listings >= MAX_LISTINGS {
                return Err(CapabilityError::TooLarge);
            }
            let images = state.cache()?.images.list()?;
            let listing = state.table.push(images).map_err(|_| CapabilityError::TooLarge)?;
            state.listings += 1;
            state.usage.note(Bound::Listings, state.listings as u64);
            Ok(listing)
        })
    }

    fn set_accessed(&mut self, id: String, at: u64) -> Result<(), CapabilityError> {
        self.in_host(|state| state.cache()?.images.set_accessed(&id, at))
    }
}

impl files::HostListing for HostState {
    fn next(
        &mut self,
        listing: Resource<Listing>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<files::File>, CapabilityError>> {
        self.in_host(|state| {
            let deadline = state.clock.deadline.clone();
            let listing = state.table.get_mut(&listing)?;
            Ok(page(listing, limit, || deadline.passed()))
        })
    }

    fn drop(&mut self, listing: Resource<Listing>) -> wasmtime::Result<()> {
        self.table.delete(listing)?;
        self.listings = self.listings.saturating_sub(1);
        Ok(())
    }
}

impl capacity::Host for HostState {
    fn get_limits(&mut self) -> capacity::Limits {
        self.capacity.limits_for_guest()
    }

    fn get_usage(&mut self) -> Option<capacity::Usage> {
        self.capacity.usage_for_guest()
    }
}

impl pins::Host for HostState {
    fn list_pinned(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<pins::PinnedImage>, CapabilityError> {
        self.in_host(|state| state.cache()?.pins.page(after.as_deref(), limit))
    }
}

impl metrics::Host for HostState {
    fn add_to_counter(&mut self, name: String, labels: Vec<metrics::Label>, delta: u64) {
        self.metrics.add(name, labels, delta);
    }

    fn set_gauge(&mut self, name: String, labels: Vec<metrics::Label>, value: f64) {
        self.metrics.set(name, labels, value);
    }
}

impl log::Host for HostState {
    fn log(&mut self, level: log::Level, message: String) {
        self.in_host(|state| state.log.log(level, &message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Traps, engine};

    #[test]
    fn each_grant_is_linked() {
        for &grant in Grant::ALL {
            let mut linker = Linker::new(engine(Traps::Signals).expect("an engine"));
            let linked = link(&mut linker, &BTreeSet::from([grant]), |_| true);
            assert!(linked.is_ok(), "{grant}: {linked:?}");
        }
    }
}
