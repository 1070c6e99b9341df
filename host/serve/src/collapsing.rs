//! Requests for one image that is not there yet: one asks the upstream, and the others wait for what it is told, so that
//! they can share that ("collapsed forwarding").
//!
//! Nobody waits for an answer that cannot be shared: the first such answer frees all who wait, and for some seconds
//! further requests do not wait at all. Where an answer varies by a field of who asked, it is remembered for as long by
//! which fields it does.

use super::label::Label;
use hyper::header::{self, HeaderMap};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long it is remembered that answers cannot be shared.
const REMEMBERED: Duration = Duration::from_secs(5);

/// From so many images on, those that say nothing any more are struck off.
const MANY: usize = 1000;

/// More are not remembered: then each request waits for its turn.
const MOST: usize = 100_000;

/// The images that are asked for.
#[derive(Debug, Default)]
pub struct Collapsing(Arc<Mutex<HashMap<String, Known>>>);

#[derive(Debug)]
enum Known {
    /// A request asks the upstream.
    Asked(watch::Receiver<Option<Outcome>>),
    /// Answers cannot be shared, until then.
    NotShared(Instant),
    /// Answers vary by these fields, until then.
    Varies(Instant, Arc<HeaderMap>),
}

/// What came of the request that asked.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// An answer that those may share who waited for it; it is cached, or being fetched, under this label.
    Shared(Arc<Label>),
    /// An answer for the one who asked.
    NotShared,
    /// There was no answer; what clients are told.
    Failed(super::upstream::Failure),
    /// Nobody knows: whoever asked has gone.
    Unknown,
}

/// What a request is to do.
pub enum Turn {
    /// Ask, and tell the others.
    Ask(Asking),
    /// Ask for itself alone: nobody waits for it.
    AskAlone,
    /// Another one has asked.
    Told(Outcome),
}

/// The right to ask, for as long as it lives.
#[derive(Debug)]
pub struct Asking {
    id: String,
    all: Arc<Mutex<HashMap<String, Known>>>,
    tell: watch::Sender<Option<Outcome>>,
}

impl Collapsing {
    /// Whose turn it is to ask for an image; returns when it is this request's, or when another one was told.
    pub async fn turn(&self, id: &str) -> Turn {
        let mut told = {
            let mut all = lock(&self.0);
            match all.get(id) {
                Some(Known::Asked(told)) => told.clone(),
                Some(Known::NotShared(until)) if Instant::now() < *until => return Turn::AskAlone,
                Some(Known::NotShared(_) | Known::Varies(..)) | None => {
                    let (tell, told) = watch::channel(None);
                    if all.len() >= MANY {
                        all.retain(|_, known| is_of_use(known));
                    }
                    all.insert(id.to_owned(), Known::Asked(told));
                    let all = Arc::clone(&self.0);
                    return Turn::Ask(Asking { id: id.to_owned(), all, tell });
                }
            }
        };
        let outcome = match told.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        Turn::Told(outcome.unwrap_or(Outcome::Unknown))
    }

    /// An answer with these fields varies by one of the fields of who asked, which shared fetches do not carry: those who
    /// wait look again, and whoever has such a field need not ask for all first.
    pub fn varies(&self, id: &str, headers: &HeaderMap, asking: Option<Asking>) {
        let vary = headers.get_all(header::VARY).iter();
        let vary = vary.map(|line| (header::VARY, line.clone())).collect();
        let mut all = lock(&self.0);
        let is_asked = asking.is_none() && matches!(all.get(id), Some(Known::Asked(_)));
        if !is_asked && all.len() < MOST {
            all.insert(id.to_owned(), Known::Varies(Instant::now() + REMEMBERED, Arc::new(vary)));
            if let Some(asking) = asking {
                asking.tell.send_replace(Some(Outcome::Unknown));
            }
        }
    }

    /// The fields by which answers varied just now.
    pub fn varied(&self, id: &str) -> Option<Arc<HeaderMap>> {
        match lock(&self.0).get(id)? {
            Known::Varies(until, vary) if Instant::now() < *until => Some(Arc::clone(vary)),
            _ => None,
        }
    }

    /// Answers for this image can be shared after all.
    pub fn is_shared(&self, id: &str) {
        let mut all = lock(&self.0);
        if matches!(all.get(id), Some(Known::NotShared(_))) {
            all.remove(id);
        }
    }
}

impl Asking {
    /// Tells the others what came of it.
    pub fn tell(self, outcome: Outcome) {
        let mut all = lock(&self.all);
        if matches!(outcome, Outcome::NotShared) && all.len() < MOST {
            all.insert(self.id.clone(), Known::NotShared(Instant::now() + REMEMBERED));
        } else {
            all.remove(&self.id);
        }
        drop(all);
        self.tell.send_replace(Some(outcome));
    }
}

/// Tells those who wait, where there are any.
pub fn tell(asking: Option<Asking>, outcome: Outcome) {
    if let Some(asking) = asking {
        asking.tell(outcome);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.tell.borrow().is_none() {
            lock(&self.all).remove(&self.id);
        }
    }
}

fn is_of_use(known: &Known) -> bool {
    match known {
        Known::Asked(_) => true,
        Known::NotShared(until) | Known::Varies(until, _) => Instant::now() < *until,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
