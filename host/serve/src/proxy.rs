//! How the service handles a request for an image, in both profiles: it authorises the client, checks the cache and running
//! fetches, and otherwise asks the upstream, with one request for all waiting ones.

mod image_get;
mod miss;
mod profile;

pub use image_get::ImageGet;
pub use miss::store_and_serve;
pub use profile::{CacheAnswer, ProxyProfile};

use super::body::{self, Body};
use super::cache_status::{CacheStatus, Reason};
use super::response::upstream_failed;
use super::response_store::{FetchLock, FetchOutcome};
use super::stored_response::StoredResponse;
use hyper::Response;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

/// The maximum number of lookups and upstream requests for an image before the request bypasses the cache.
const ATTEMPTS: u32 = 3;

/// The result of one attempt.
enum Step {
    Respond(Response<Body>),
    Retry,
    Bypass(Reason),
}

/// Responds to a request for an image.
pub async fn serve<P: ProxyProfile>(mut profile: P) -> Response<Body> {
    if let Some(response) = profile.authorize().await {
        return response;
    }
    for _ in 0..ATTEMPTS {
        profile.get_mut().renew_epoch();
        let stale = match profile.accept_hit().await {
            CacheAnswer::Respond(response) => return response,
            CacheAnswer::Ask(stale) => stale,
        };
        match attempt(&mut profile, stale).await {
            Step::Respond(response) => return response,
            Step::Retry => {}
            Step::Bypass(reason) => return profile.get().bypass(reason).await,
        }
    }
    let reason = if profile.may_fetch() { Reason::CacheFailed } else { Reason::Partial };
    profile.get().bypass(reason).await
}

/// Asks the upstream: for this request only, if it is for a part or must be authorised itself, or else for all that wait.
async fn attempt<P: ProxyProfile>(profile: &mut P, stale: Option<Arc<StoredResponse>>) -> Step {
    match stale {
        Some(stored) if !profile.shares_revalidation() => {
            retry_unless(profile.revalidate(&stored, None).await)
        }
        None if !profile.may_fetch() => Step::Bypass(Reason::Partial),
        stale => match profile.get().service.responses.acquire(&profile.get().request.id).await {
            Ok(lock) => ask_upstream(profile, stale, Some(lock)).await,
            Err(FetchOutcome::NotShared) => ask_upstream(profile, stale, None).await,
            Err(FetchOutcome::Failed(error)) => {
                match stale.filter(|stored| profile.may_serve_stale(stored)) {
                    Some(stored) => {
                        retry_unless(profile.serve_if_current(&stored, CacheStatus::Hit).await)
                    }
                    None => Step::Respond(upstream_failed(&error)),
                }
            }
            Err(FetchOutcome::Shared(stored)) => {
                profile.note_shared(stored);
                Step::Retry
            }
            Err(FetchOutcome::Unknown) => Step::Retry,
        },
    }
}

/// Revalidates a stale image, or fetches one that is not cached.
async fn ask_upstream<P: ProxyProfile>(
    profile: &mut P,
    stale: Option<Arc<StoredResponse>>,
    lock: Option<FetchLock>,
) -> Step {
    profile.get_mut().renew_epoch();
    // Another request may have fetched it between the lookup and the lock.
    if profile.recheck(stale.as_deref()).await {
        return Step::Retry;
    }
    let is_whole = profile.get().is_whole();
    let permit = (!is_whole).then(|| profile.get().service.try_fetch_on_range()).flatten();
    if !is_whole && permit.is_none() && stale.is_none() {
        return Step::Bypass(P::PART_NOT_FETCHED);
    }
    let response = match stale {
        Some(stored) => profile.revalidate(&stored, lock).await,
        None => Some(miss::fetch(profile, lock).await),
    };
    match response {
        None => Step::Retry,
        Some(response) if is_whole => Step::Respond(response),
        Some(response) => part_of(profile, response, permit),
    }
}

/// Continues with the response for a whole image, of which the request wants a part: the image is fetched in the background,
/// and the part is read from that fetch.
fn part_of<P: ProxyProfile>(
    profile: &mut P,
    response: Response<Body>,
    permit: Option<OwnedSemaphorePermit>,
) -> Step {
    match (CacheStatus::of(&response), permit) {
        (Some(CacheStatus::Miss | CacheStatus::Changed | CacheStatus::Shared), Some(permit)) => {
            fetch_in_background(permit, response);
            profile.note_authorized();
            Step::Retry
        }
        // The image cannot be fetched for other clients, but the response may be sent to this one.
        (Some(CacheStatus::Hit | CacheStatus::Revalidated) | None, _) if P::RESPONDS_WITH_WHOLE => {
            Step::Respond(response)
        }
        _ => Step::Bypass(P::PART_NOT_FETCHED),
    }
}

/// Reads a response to its end and discards it, so that its image is cached. The timeouts of every fetch apply. The permit
/// is released at the end.
fn fetch_in_background(permit: OwnedSemaphorePermit, answer: Response<Body>) {
    let drained = async move {
        let _running = permit;
        if let Err(error) = body::drain(answer.into_body()).await {
            tracing::warn!(error, "an image was not fetched after a request for a part of it");
        }
    };
    tokio::spawn(drained.in_current_span());
}

fn retry_unless(response: Option<Response<Body>>) -> Step {
    response.map_or(Step::Retry, Step::Respond)
}
