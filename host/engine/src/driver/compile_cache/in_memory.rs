//! The components that drivers of this process use: a second cache with the same driver does not compile it again.

use crate::engine::Traps;
use image_cache_store::process::PerProcess;
use image_cache_store::sync::lock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use wasmtime::component::Component;

/// What the code of a component depends on: its SHA-256, and the engine.
pub type Key = ([u8; 32], Traps);

/// A component in memory while a driver uses it. It is locked while it is compiled, so that each is compiled once.
pub type Slot = Arc<Mutex<Weak<Component>>>;

#[derive(Default)]
struct ComponentSlots(Mutex<HashMap<Key, Slot>>);

static IN_USE: PerProcess<ComponentSlots> = PerProcess::new();

/// The slot of a component.
pub fn slot(key: Key) -> Slot {
    let mut slots = lock(&IN_USE.get().0);
    // Another thread that has a slot is about to fill it.
    slots.retain(|_, slot| {
        Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|code| code.strong_count() > 0)
    });
    Arc::clone(slots.entry(key).or_default())
}
