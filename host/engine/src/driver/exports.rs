//! The exports of an instance: the interface that every driver has, and those that it may have.

use super::host_state::HostState;
use crate::bindings::exports::image_cache::driver::driver::Guest;
use crate::bindings::optional::exports::image_cache::driver::{admission, events, timer};
use crate::bindings::{ImageCacheDriver, ImageCacheDriverIndices};
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Store, format_err};

/// Where a component has its exports.
///
/// A missing optional interface is no fault. One with other functions or types than the host's is: the component would wait in
/// vain to be called.
pub struct ExportIndices {
    driver: ImageCacheDriverIndices,
    admission: Option<admission::GuestIndices>,
    events: Option<events::GuestIndices>,
    timer: Option<timer::GuestIndices>,
}

/// The exports of one instance.
pub struct Exports {
    driver: ImageCacheDriver,
    pub admission: Option<admission::Guest>,
    pub events: Option<events::Guest>,
    pub timer: Option<timer::Guest>,
}

impl ExportIndices {
    pub fn new(pre: &InstancePre<HostState>) -> wasmtime::Result<ExportIndices> {
        Ok(ExportIndices {
            driver: ImageCacheDriverIndices::new(pre)?,
            admission: find(pre, "admission", admission::GuestIndices::new)?,
            events: find(pre, "events", events::GuestIndices::new)?,
            timer: find(pre, "timer", timer::GuestIndices::new)?,
        })
    }

    pub fn load(
        &self,
        store: &mut Store<HostState>,
        instance: &Instance,
    ) -> wasmtime::Result<Exports> {
        let admission = self.admission.as_ref().map(|it| it.load(&mut *store, instance));
        let events = self.events.as_ref().map(|it| it.load(&mut *store, instance));
        let timer = self.timer.as_ref().map(|it| it.load(&mut *store, instance));
        Ok(Exports {
            driver: self.driver.load(&mut *store, instance)?,
            admission: admission.transpose()?,
            events: events.transpose()?,
            timer: timer.transpose()?,
        })
    }

    /// Whether the component exports `admission`.
    pub fn has_admission(&self) -> bool {
        self.admission.is_some()
    }

    /// Whether the component exports `events`.
    pub fn has_events(&self) -> bool {
        self.events.is_some()
    }

    /// Whether the component exports `timer`.
    pub fn has_timer(&self) -> bool {
        self.timer.is_some()
    }
}

impl Exports {
    pub fn driver(&self) -> &Guest {
        self.driver.image_cache_driver_driver()
    }
}

/// The version of the interface that the host was built with; the runtime finds every compatible one under this name.
const VERSION: &str = "1.1.0";

fn find<I>(
    pre: &InstancePre<HostState>,
    interface: &str,
    look_up: impl FnOnce(&InstancePre<HostState>) -> wasmtime::Result<I>,
) -> wasmtime::Result<Option<I>> {
    let name = format!("image-cache:driver/{interface}@{VERSION}");
    if pre.component().get_export_index(None, &name).is_none() {
        return Ok(None);
    }
    let broken = |error| format_err!("its interface {interface} is not the host's: {error:#}");
    look_up(pre).map(Some).map_err(broken)
}
