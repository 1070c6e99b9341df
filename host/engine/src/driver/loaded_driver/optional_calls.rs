//! The calls of interfaces that a driver may export: if it does not, they have a simpler answer or no effect.

use super::Driver;
use crate::bindings::image_cache::driver::types;
use crate::bindings::optional::exports::image_cache::driver::{admission, events};
use crate::bindings::optional::image_cache::driver::requests;
use crate::driver::error::CallError;
use crate::driver::exports::Exports;
use image_cache_model::{
    AdmissionRequest, Decision, Event, RemovalReason, RequestKind, Requester, printable, timestamp,
};
use std::time::SystemTime;

/// Maximum length of the reason of a refusal, in bytes.
const MAX_REASON: usize = 200;

impl Driver {
    /// Whether the policy admits an image: the answer of `admission.admit`, or of `driver.is-cacheable` if the driver does not
    /// export that.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn admit(&self, request: &AdmissionRequest<'_>) -> Result<Decision, CallError> {
        if !self.loaded.template.exports.has_admission() {
            let is_cacheable = self.is_cacheable(request)?;
            return Ok(if is_cacheable { Decision::Admit } else { Decision::Refuse(None) });
        }
        let asked = admission::AdmissionRequest {
            image_id: request.image_id.as_str().to_owned(),
            size: request.size,
            now: timestamp(request.now),
            requester: requester_to_guest(request.requester),
        };
        let work = |exports: &Exports, store: &mut _| match &exports.admission {
            Some(guest) => guest.call_admit(store, &asked),
            None => Ok(Err(types::Error::Unsupported)),
        };
        self.call_export("admit", work, |decision| Ok(decision_of(decision)))
    }

    /// The answer of `driver.is-cacheable`, which every driver exports.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn is_cacheable(&self, request: &AdmissionRequest<'_>) -> Result<bool, CallError> {
        let (id, now) = (request.image_id.as_str().to_owned(), timestamp(request.now));
        let size = request.size;
        self.call("is-cacheable", |guest, store| guest.call_is_cacheable(store, &id, size, now), Ok)
    }

    /// Whether the driver gives reasons for refusals, and is asked again when the size of an image becomes known.
    pub fn has_admission(&self) -> bool {
        self.loaded.template.exports.has_admission()
    }

    /// Whether the driver is told what happens to the images.
    pub fn has_events(&self) -> bool {
        self.loaded.template.exports.has_events()
    }

    /// Whether the driver is called regularly.
    pub fn has_timer(&self) -> bool {
        self.loaded.template.exports.has_timer()
    }

    /// Tells the driver what happened, oldest first; no effect if it does not want to know.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn notify(&self, events: &[Event]) -> Result<(), CallError> {
        if !self.has_events() || events.is_empty() {
            return Ok(());
        }
        let events: Vec<events::Event> = events.iter().filter_map(event_to_guest).collect();
        if events.is_empty() {
            return Ok(());
        }
        let work = |exports: &Exports, store: &mut _| match &exports.events {
            Some(guest) => guest.call_notify(store, &events),
            None => Ok(Ok(())),
        };
        self.call_export("notify", work, Ok)
    }

    /// The regular call; no effect if the driver does not export it.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn tick(&self, now: SystemTime) -> Result<(), CallError> {
        if !self.has_timer() {
            return Ok(());
        }
        let work = |exports: &Exports, store: &mut _| match &exports.timer {
            Some(guest) => guest.call_tick(store, timestamp(now)),
            None => Ok(Ok(())),
        };
        self.call_export("tick", work, Ok)
    }
}

fn decision_of(decision: admission::Decision) -> Decision {
    match decision {
        admission::Decision::Admit => Decision::Admit,
        admission::Decision::Refuse(reason) => {
            let reason = printable(reason.trim(), MAX_REASON);
            Decision::Refuse(Some(reason).filter(|reason| !reason.is_empty()))
        }
    }
}

fn requester_to_guest(requester: &Requester) -> requests::Requester {
    requests::Requester {
        kind: match requester.kind {
            RequestKind::Client => requests::RequestKind::Client,
            RequestKind::Follower => requests::RequestKind::Follower,
            RequestKind::Prefetch => requests::RequestKind::Prefetch,
            RequestKind::Add => requests::RequestKind::Add,
            // The interface has no word for another kind: it is somebody's request.
            _ => requests::RequestKind::Client,
        },
        tenant: requester.tenant.as_ref().map(|tenant| tenant.as_str().to_owned()),
    }
}

/// `None` if the interface has no such event.
fn event_to_guest(event: &Event) -> Option<events::Event> {
    Some(match event {
        Event::Read { image_id, at, bytes, requester } => events::Event::Read(events::Read {
            image_id: image_id.as_str().to_owned(),
            at: timestamp(*at),
            bytes: *bytes,
            requester: requester_to_guest(requester),
        }),
        Event::Fetched { image_id, at, bytes, duration, requester } => {
            events::Event::Fetched(events::Fetched {
                image_id: image_id.as_str().to_owned(),
                at: timestamp(*at),
                bytes: *bytes,
                duration: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
                requester: requester_to_guest(requester),
            })
        }
        Event::NotCached { image_id, at, bytes, requester } => {
            events::Event::NotCached(events::NotCached {
                image_id: image_id.as_str().to_owned(),
                at: timestamp(*at),
                bytes: *bytes,
                requester: requester_to_guest(requester),
            })
        }
        Event::Removed { image_id, at, reason } => events::Event::Removed(events::Removed {
            image_id: image_id.as_str().to_owned(),
            at: timestamp(*at),
            reason: reason_to_guest(*reason),
        }),
        _ => return None,
    })
}

fn reason_to_guest(reason: RemovalReason) -> events::RemovalReason {
    match reason {
        RemovalReason::Evicted => events::RemovalReason::Evicted,
        RemovalReason::Deleted => events::RemovalReason::Deleted,
        RemovalReason::Damaged => events::RemovalReason::Damaged,
        RemovalReason::Replaced => events::RemovalReason::Replaced,
        RemovalReason::Missing => events::RemovalReason::Missing,
        // The interface has no word for another reason; the image is no longer there.
        _ => events::RemovalReason::Missing,
    }
}
