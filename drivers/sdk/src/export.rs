//! Connects the functions of the WIT interface to a [`Driver`]: the state of the instance, and the panic hook.

use crate::admission_bindings::exports::image_cache::driver::admission;
use crate::bindings::exports::image_cache::driver::driver::Guest;
use crate::event_bindings::exports::image_cache::driver::events;
use crate::log::{Level, log};
use crate::timer_bindings::exports::image_cache::driver::timer;
use crate::types::{CachedImage, Error};
use crate::{
    AdmissionPolicy, AdmissionRequest, CacheSize, ConfigurationError, Decision, Description,
    Driver, Event, EventListener, Eviction, Hit, Leftover, Options, Timer, Victim,
};
use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::panic::PanicHookInfo;
use std::sync::Once;
use std::thread::LocalKey;

/// Exports a [`Driver`] as the export `driver` of the component. Call it once, at the top level of the crate.
///
/// Further exports are named after the type, for what the type implements: `admission` for
/// [`AdmissionPolicy`](crate::AdmissionPolicy), `events` for [`EventListener`](crate::EventListener), `timer` for
/// [`Timer`](crate::Timer).
///
/// On targets other than WebAssembly it only checks the type, so that the crate's unit tests run natively.
///
/// The [crate's documentation](crate) has an example.
#[macro_export]
macro_rules! export_driver {
    ($driver:ty $(, $optional:ident)* $(,)?) => {
        const _: () = {
            ::std::thread_local! {
                static INSTANCE: ::std::cell::RefCell<::std::option::Option<$driver>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }
            impl $crate::Slot for $driver {
                fn slot() -> &'static ::std::thread::LocalKey<
                    ::std::cell::RefCell<::std::option::Option<Self>>,
                > {
                    &INSTANCE
                }
            }
            #[allow(dead_code, reason = "exported for WebAssembly only")]
            type Component = $crate::Exported<$driver>;
            #[cfg(target_family = "wasm")]
    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
            $( $crate::export_optional!($optional Component); )*
        };
    };
}

/// Exports one more interface.
#[doc(hidden)]
#[macro_export]
macro_rules! export_optional {
    (admission $component:ident) => {
        $crate::export_optional!(@checked admission_policy $component);
        #[cfg(target_family = "wasm")]
        $crate::admission_bindings::export_admission_component!($component with_types_in $crate::admission_bindings);
    };
    (events $component:ident) => {
        $crate::export_optional!(@checked event_listener $component);
        #[cfg(target_family = "wasm")]
        $crate::event_bindings::export_events_component!($component with_types_in $crate::event_bindings);
    };
    (timer $component:ident) => {
        $crate::export_optional!(@checked timer $component);
        #[cfg(target_family = "wasm")]
        $crate::timer_bindings::export_timer_component!($component with_types_in $crate::timer_bindings);
    };
    // On other targets only the trait is checked.
    (@checked $function:ident $component:ident) => {
        const _: fn() = $component::$function;
    };
    ($other:ident $component:ident) => {
        ::std::compile_error!("a driver may also export: admission, events, timer");
    };
}

/// The place where an instance stores its driver; [`export_driver!`](crate::export_driver) implements it.
#[doc(hidden)]
pub trait Slot: Driver {
    /// The instance's only value. A guest has one thread.
    fn slot() -> &'static LocalKey<RefCell<Option<Self>>>;
}

/// The exported functions for the driver `D`.
#[doc(hidden)]
pub struct Exported<D>(PhantomData<D>);

impl<D: Slot> Guest for Exported<D> {
    fn describe() -> Description {
        report_panics();
        D::describe()
    }

    fn configure(options: Vec<(String, String)>) -> Result<(), ConfigurationError> {
        report_panics();
        let driver = D::configure(Options::from(options))?;
        D::slot().set(Some(driver));
        Ok(())
    }

    fn is_cacheable(image_id: String, size: Option<u64>, now: u64) -> Result<bool, Error> {
        with(|driver: &mut D| driver.is_cacheable(image_id, size, now))
    }

    fn record_cached(image: CachedImage) -> Result<(), Error> {
        with(|driver: &mut D| driver.record_cached(image))
    }

    fn record_hits(hits: Vec<Hit>) -> Result<(), Error> {
        with(|driver: &mut D| driver.record_hits(hits))
    }

    fn forget(image_ids: Vec<String>) -> Result<(), Error> {
        with(|driver: &mut D| driver.forget(image_ids))
    }

    fn get_cached_image(image_id: String) -> Result<Option<CachedImage>, Error> {
        with(|driver: &mut D| driver.cached_image(image_id))
    }

    fn get_cached_images(after: Option<String>, limit: u32) -> Result<Vec<CachedImage>, Error> {
        with(|driver: &mut D| driver.cached_images(after, limit))
    }

    fn get_cache_size() -> Result<CacheSize, Error> {
        with(|driver: &mut D| driver.cache_size())
    }

    fn select_victims(request: Eviction) -> Result<Vec<Victim>, Error> {
        with(|driver: &mut D| driver.select_victims(request))
    }

    fn select_leftovers(
        leftovers: Vec<Leftover>,
        stalled_before: u64,
        now: u64,
    ) -> Result<Vec<Leftover>, Error> {
        with(|driver: &mut D| driver.select_leftovers(leftovers, stalled_before, now))
    }
}

impl<D: Slot + AdmissionPolicy> Exported<D> {
    /// Exists if the driver can export `admission`.
    pub fn admission_policy() {}
}

impl<D: Slot + EventListener> Exported<D> {
    /// Exists if the driver can export `events`.
    pub fn event_listener() {}
}

impl<D: Slot + Timer> Exported<D> {
    /// Exists if the driver can export `timer`.
    pub fn timer() {}
}

impl<D: Slot + AdmissionPolicy> admission::Guest for Exported<D> {
    fn admit(request: AdmissionRequest) -> Result<Decision, Error> {
        with(|driver: &mut D| driver.admit(request))
    }
}

impl<D: Slot + EventListener> events::Guest for Exported<D> {
    fn notify(events: Vec<Event>) -> Result<(), Error> {
        with(|driver: &mut D| driver.notify(events))
    }
}

impl<D: Slot + Timer> timer::Guest for Exported<D> {
    fn tick(now: u64) -> Result<(), Error> {
        with(|driver: &mut D| driver.tick(now))
    }
}

fn with<D: Slot, T>(call: impl FnOnce(&mut D) -> Result<T, Error>) -> Result<T, Error> {
    D::slot().with_borrow_mut(|slot| match slot {
        Some(driver) => call(driver),
        None => Err(Error::Other("the driver was not configured".into())),
    })
}

/// Logs the message and location of a panic in the host's log; the trap that follows has no message.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic_message(panic))))
    });
}

fn panic_message(panic: &PanicHookInfo<'_>) -> String {
    let words = payload_text(panic.payload());
    match panic.location() {
        Some(place) => format!("panic at {place}: {words}"),
        None => format!("panic: {words}"),
    }
}

fn payload_text(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no words")
}
