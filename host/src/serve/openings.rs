//! One request at a time opens an image at the upstream; whoever waits for it finds a fetch to read along with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

/// From so many on, those that nobody waits for are struck off.
const MANY: usize = 1000;

/// The images that are being opened.
#[derive(Debug, Default)]
pub struct Openings(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

/// While this lives, nobody else opens the image.
pub type Opening = OwnedMutexGuard<()>;

impl Openings {
    /// Waits for this image's turn.
    pub async fn turn(&self, id: &str) -> Opening {
        let mutex = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MANY {
                known.retain(|_, mutex| mutex.strong_count() > 0);
            }
            match known.get(id).and_then(Weak::upgrade) {
                Some(mutex) => mutex,
                None => {
                    let mutex = Arc::default();
                    known.insert(id.to_owned(), Arc::downgrade(&mutex));
                    mutex
                }
            }
        };
        mutex.lock_owned().await
    }
}
