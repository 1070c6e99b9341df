//! Requests that change something at the upstream invalidate the stored responses of it (RFC 9111, 4.4).

use crate::body::Body;
use crate::cache_status::{CacheStatus, Reason};
use crate::service::Service;
use crate::{plain_id, service};
use hyper::{Method, Request, Response, header};
use percent_encoding::{CONTROLS, percent_encode};

/// Methods that change nothing (RFC 9110, 9.2.1). An unknown method may change something.
const SAFE: [Method; 4] = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE];

/// Forwards a request to the upstream, and invalidates the responses that it has changed.
pub(super) async fn pass(service: &Service, request: Request<Body>) -> Response<Body> {
    let is_safe = SAFE.contains(request.method());
    let target = service::target(&request).to_owned();
    let response = service.pass(request).await;
    let has_changed = response.status().is_success() || response.status().is_redirection();
    if !is_safe && has_changed {
        let named = [header::LOCATION, header::CONTENT_LOCATION];
        let named = named.iter().filter_map(|name| response.headers().get(name));
        // A server may send bytes that a URL contains only encoded.
        let named = named.map(|url| percent_encode(url.as_bytes(), CONTROLS).to_string());
        let named: Vec<String> =
            named.filter_map(|url| service.upstream.base.target_of(&url, &target)).collect();
        for target in named.iter().chain([&target]) {
            let id = service.credentials.id(target).or_else(|| plain_id::of_target(target));
            if let Some(id) = id {
                service.invalidate(&id).await;
            }
        }
    }
    CacheStatus::Bypass(Reason::Method).mark(response)
}
