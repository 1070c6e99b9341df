//! The library's log, as a C function gets it.

use crate::boundary::status;
use crate::failure::{Failure, Result};
use crate::last_error::c_string;
use crate::running_log::RunningLog;
use image_cache_store::process::PerProcess;
use std::ffi::{c_char, c_int, c_void};
use std::fmt::{self, Write};
use std::sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// How important a message of the log is.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing is logged.
    Off = 0,
    /// Something failed, and cannot be mended.
    Error = 1,
    /// Something failed; images are still served.
    Warn = 2,
    /// Rare events.
    Info = 3,
    /// All that happens.
    Debug = 4,
}

/// Gets a message of the log; the text is valid during the call. Any thread may call it, several at the same time. It must not call
/// this library.
pub type Log =
    Option<unsafe extern "C" fn(context: *mut c_void, level: c_int, message: *const c_char)>;

/// The function that gets the messages.
struct Target {
    filter: LevelFilter,
    log: unsafe extern "C" fn(*mut c_void, c_int, *const c_char),
    context: *mut c_void,
}

// SAFETY: the header requires that any thread may call the function.
unsafe impl Send for Target {}
// SAFETY: several at the same time.
unsafe impl Sync for Target {}

/// The function of a process.
#[derive(Default)]
enum Setting {
    /// A forked child has that of its parent, until it sets one.
    #[default]
    Inherited,
    Set(Option<Target>),
}

impl Setting {
    fn is_set(&self) -> bool {
        matches!(self, Setting::Set(_))
    }
}

/// A thread that a child does not have may have locked its parent's: the child never waits for that lock.
static SETTINGS: PerProcess<RwLock<Setting>> = PerProcess::new();

/// The setting of this process, which does not change until this is dropped.
struct Current {
    own: RwLockReadGuard<'static, Setting>,
    /// What counts if there is no own one.
    inherited: Option<RwLockReadGuard<'static, Setting>>,
}

impl Current {
    fn lock() -> Current {
        let own = SETTINGS.get().read().unwrap_or_else(PoisonError::into_inner);
        let mut older = SETTINGS.inherited().map_while(|setting| setting.try_read().ok());
        let inherited = if own.is_set() { None } else { older.find(|setting| setting.is_set()) };
        Current { own, inherited }
    }

    fn target(&self) -> Option<&Target> {
        match &**self.inherited.as_ref().unwrap_or(&self.own) {
            Setting::Inherited => None,
            Setting::Set(target) => target.as_ref(),
        }
    }
}

/// Whether the messages of this process come here: false if a Rust program around this library takes them.
static IS_INSTALLED: LazyLock<bool> =
    LazyLock::new(|| tracing::subscriber::set_global_default(ToC).is_ok());

/// Sets the function that gets the messages of all caches of this process up to a level, an imgcache_log_level. NULL: none. When it
/// returns, the earlier function is not running and is not called any more. A forked child has the function of its parent until it
/// sets one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_set_log(level: c_int, log: Log, context: *mut c_void) -> c_int {
    status(|| {
        let filter = filter(level)?;
        if !*IS_INSTALLED {
            return Err(Failure::argument("this process has another subscriber of `tracing`"));
        }
        let target = log.map(|log| Target { filter, log, context });
        *SETTINGS.get().write().unwrap_or_else(PoisonError::into_inner) = Setting::Set(target);
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    })
}

fn filter(level: c_int) -> Result<LevelFilter> {
    Ok(match level {
        0 => LevelFilter::OFF,
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => return Err(Failure::argument(format!("level is {level}: 0 to 4 is accepted"))),
    })
}

/// Passes events to the function. Spans are not shown: the messages name their image.
struct ToC;

impl Subscriber for ToC {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let current = Current::lock();
        let is_enabled = current.target().is_some_and(|target| *metadata.level() <= target.filter);
        is_enabled && metadata.is_event() && metadata.target().starts_with("image_cache")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let text = c_string(&format!("{}{}", message.text, message.fields));
        let current = Current::lock();
        let Some(target) = current.target() else { return };
        let _running = RunningLog::start();
        // SAFETY: the header requires that it can be called with this context, which is in use until the lock is released.
        unsafe { (target.log)(target.context, number(*event.metadata().level()), text.as_ptr()) };
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn number(level: Level) -> c_int {
    let level = match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        _ => LogLevel::Debug,
    };
    level as c_int
}

/// The text of an event, and its fields: `the image is not cached image=cirros`.
#[derive(Default)]
struct Message {
    text: String,
    fields: String,
}

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a `String` does not fail.
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
