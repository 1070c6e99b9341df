//! An image that is not cached: opened at the upstream, and fetched for all clients if it may be stored.

use super::profile::ProxyProfile;
use crate::body::Body;
use crate::cache_status::{CacheStatus, Reason};
use crate::fetch;
use crate::fetch::FetchStart;
use crate::response::{bypassed, upstream_failed};
use crate::response_store::{FetchLock, FetchOutcome, release};
use crate::serve_inflight::{serve_in_flight, stream_response};
use crate::service::log_bypass;
use crate::stored_response::StoredResponse;
use hyper::Response;
use hyper::body::Incoming;
use image_cache::Route;
use std::sync::Arc;

/// Opens the image at the upstream, and releases the lock.
pub async fn fetch<P: ProxyProfile>(profile: &P, lock: Option<FetchLock>) -> Response<Body> {
    let get = profile.get();
    let opened = get.service.upstream.get(&get.request.target, get.request.headers.clone()).await;
    let response = match opened {
        Ok(response) => response,
        Err(error) => {
            release(lock, FetchOutcome::Failed(error.clone()));
            return upstream_failed(&error);
        }
    };
    match profile.check_storable(&response) {
        Ok(()) => store_and_serve(profile, response, lock, CacheStatus::Miss).await,
        Err(reason) => {
            release(lock, FetchOutcome::NotShared);
            bypassed(reason, get.service.passing(response))
        }
    }
}

/// Fetches the image whose response header has arrived, for all clients; or shares a fetch of it that is already running.
pub async fn store_and_serve<P: ProxyProfile>(
    profile: &P,
    response: Response<Incoming>,
    lock: Option<FetchLock>,
    status: CacheStatus,
) -> Response<Body> {
    let get = profile.get();
    let (service, id) = (&get.service, &get.request.id);
    if !profile.is_variant(response.headers()) {
        // The response is for requests without the client's fields: the bypass sends the request again with all of them.
        service.responses.remember_variance(id, response.headers(), lock);
        drop(response);
        return get.bypass(Reason::Vary).await;
    }
    let running = service.responses.shareable_fetch(id);
    if let Some(stored) = running.filter(|stored| stored.matches(response.headers()))
        // The client's own response has the same bytes.
        && let Some(response) = serve_in_flight(get, stored).await
    {
        return response;
    }
    start_fetch(profile, response, lock, status).await
}

async fn start_fetch<P: ProxyProfile>(
    profile: &P,
    response: Response<Incoming>,
    lock: Option<FetchLock>,
    status: CacheStatus,
) -> Response<Body> {
    let get = profile.get();
    let (service, id) = (&get.service, &get.request.id);
    let stored = Arc::new(profile.describe_miss(&response));
    let (head, body) = response.into_parts();
    let reader = match fetch::start(get, body, Arc::clone(&stored)).await {
        Ok(FetchStart::Reading(reader)) => reader,
        Ok(FetchStart::AnotherProcess(body)) => {
            release(lock, FetchOutcome::Unknown);
            let response = service.passing(Response::from_parts(head, body));
            return bypassed(Reason::CacheFailed, response);
        }
        Err(error) => {
            release(lock, FetchOutcome::NotShared);
            log_bypass(id, &error);
            return get.bypass(Reason::CacheFailed).await;
        }
    };
    let mut head = Response::from_parts(head, ());
    profile.complete_head(&mut head, &stored);
    let size = stored.size;
    match reader.route() {
        Route::Passing => release(lock, FetchOutcome::NotShared),
        _ => {
            service.responses.forget_not_shared(id);
            release(lock, shared_outcome(stored));
        }
    }
    stream_response(status, head, reader, size).await
}

/// How waiting requests may use a response that is being stored.
fn shared_outcome(stored: Arc<StoredResponse>) -> FetchOutcome {
    // If the image must be revalidated before each use, each client sends its own request.
    match stored.cache_control().no_cache {
        true => FetchOutcome::Unknown,
        false => FetchOutcome::Shared(stored),
    }
}
