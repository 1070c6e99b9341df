//! The cache's log: messages are collected, and the next call that returns to Python passes them to `logging`.
//!
//! A message can come from a thread of the cache or from a thread without Python's lock. Neither may wait for that lock.

use pyo3::prelude::*;
use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, TryLockError};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The name of the logger.
const LOGGER: &str = "image_cache";

/// Messages that wait at most; later ones are dropped.
const MOST: usize = 1000;

/// A message with its level in Python.
struct Message(u8, String);

type Messages = Mutex<VecDeque<Message>>;

/// The messages of this process. A forked child gets a new list: a thread of its parent may have locked the old one.
static WAITING: AtomicPtr<Messages> = AtomicPtr::new(std::ptr::null_mut());

/// Whether there is a message: most calls check only this.
static HAS_SOME: AtomicBool = AtomicBool::new(false);

/// Collects the messages of this extension from now on.
pub fn install() {
    forget();
    // Only this extension contains this copy of `tracing`, so nothing else can have set it before.
    let _ = tracing::subscriber::set_global_default(Collector);
}

/// Drops all messages.
pub fn forget() {
    HAS_SOME.store(false, Ordering::Release);
    let empty = Box::leak(Box::new(Mutex::new(VecDeque::new())));
    WAITING.store(empty, Ordering::Release);
}

/// Passes the messages to Python. An error of a handler is shown by Python, and concerns no caller of the cache.
pub fn deliver(py: Python<'_>) {
    if !HAS_SOME.swap(false, Ordering::AcqRel) {
        return;
    }
    let messages = locked(std::mem::take).unwrap_or_default();
    if let Err(error) = deliver_all(py, messages) {
        error.write_unraisable(py, None);
    }
}

fn deliver_all(py: Python<'_>, messages: VecDeque<Message>) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", (LOGGER,))?;
    for Message(level, text) in messages {
        logger.call_method1("log", (level, "%s", text))?;
    }
    Ok(())
}

/// `None` if another thread has the list: it is held for some instructions, but no message is worth a wait.
fn locked<T>(work: impl FnOnce(&mut VecDeque<Message>) -> T) -> Option<T> {
    // SAFETY: the pointer is null or to a leaked value.
    let waiting = unsafe { WAITING.load(Ordering::Acquire).as_ref() }?;
    match waiting.try_lock() {
        Ok(mut messages) => Some(work(&mut messages)),
        Err(TryLockError::Poisoned(poisoned)) => Some(work(&mut poisoned.into_inner())),
        Err(TryLockError::WouldBlock) => None,
    }
}

struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= Level::INFO
            && metadata.target().starts_with(LOGGER)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = match *event.metadata().level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            _ => 20,
        };
        let mut text = Text::default();
        event.record(&mut text);
        let Text { message, fields } = text;
        let text = if fields.is_empty() { message } else { format!("{message} ({fields})") };
        locked(|messages| {
            if messages.len() < MOST {
                messages.push_back(Message(level, text));
            }
        });
        HAS_SOME.store(true, Ordering::Release);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// The text of an event and its fields, as `name=value, name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let comma = if self.fields.is_empty() { "" } else { ", " };
            let _ = write!(self.fields, "{comma}{}={value:?}", field.name());
        }
    }
}
