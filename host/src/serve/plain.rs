//! The profile `plain`: what is got below the upstream's URL comes from the cache, as long as HTTP's rules for shared
//! caches allow that (RFC 9111).

mod rules;

use super::along::{self, expected, streamed};
use super::answer::{bypassed, refuse};
use super::body::{self, Body};
use super::fetch::{self, Ask, Begun};
use super::hit::{Found, Look};
use super::label::{CONTENT_MD5, Label};
use super::plain_id;
use super::range::Asked;
use super::service::{self, Service, failed, fetch_to_end, log_bypass};
use super::upstream::Failure;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use std::sync::Arc;

/// So often an image is looked for in the cache and at the upstream before it comes past the cache.
const ATTEMPTS: u32 = 3;

/// Answers a client's request.
pub async fn answer(service: &Arc<Service>, request: Request<Body>) -> Response<Body> {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    if !is_read || !request.body().is_end_stream() {
        return service.pass(request).await;
    }
    let target = service::target(&request).to_owned();
    let id = plain_id::of_target(&target);
    let (head, _) = request.into_parts();
    let may_be_shared = rules::may_be_shared(&head.headers, service.options.authorises());
    let Some(id) = id.filter(|_| may_be_shared) else {
        return service.bypass(head).await;
    };
    let ask = Ask::new(&id, &target, &head.headers);
    Get { service, head, ask }.serve().await
}

/// A request for what may be cached.
struct Get<'a> {
    service: &'a Arc<Service>,
    head: Parts,
    ask: Ask,
}

impl Get<'_> {
    async fn serve(self) -> Response<Body> {
        let must_ask = self.service.options.authorises() || rules::wants_fresh(&self.head.headers);
        let may_ask = !rules::is_only_if_cached(&self.head.headers);
        for _ in 0..ATTEMPTS {
            let (base, headers) = (self.service.upstream.base(), self.head.headers.clone());
            let is_fresh = move |label: &Label| {
                !must_ask && label.upstream == base && rules::is_fresh_for(&headers, label)
            };
            match self.look(is_fresh).await {
                Found::Hit(hit) => return self.service.answer_with(hit, &self.ask, &self.head),
                Found::Unfit(label) if may_ask => {
                    if let Some(answer) = self.revalidate(&label).await {
                        return answer;
                    }
                    continue;
                }
                Found::Unfit(_) | Found::Nothing => {}
            }
            if let Some(answer) = self.read_along().await {
                return answer;
            }
            if !may_ask {
                let words = "it is not cached, or has to be asked for\n";
                return refuse(StatusCode::GATEWAY_TIMEOUT, words);
            }
            if !self.is_for_all() {
                break;
            }
            let _opening = self.service.openings.turn(&self.ask.id).await;
            if self.is_there().await {
                continue;
            }
            if Asked::of(&self.head.headers, None) == Asked::All {
                return self.miss().await;
            }
            let Some(room) = self.service.room_for_fetch_on_range() else { break };
            if !fetch_to_end(self.miss().await, room) {
                break;
            }
        }
        self.service.bypass(self.head).await
    }

    /// Whether the request may have the whole image fetched, so that others can have it, too.
    fn is_for_all(&self) -> bool {
        let headers = &self.head.headers;
        let is_conditional = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE]
            .iter()
            .any(|name| headers.contains_key(name));
        let is_whole = Asked::of(headers, None) == Asked::All;
        let fetches = is_whole || self.service.options.fetch_on_range;
        self.head.method == Method::GET && fetches && !is_conditional
    }

    async fn is_there(&self) -> bool {
        if self.service.is_being_fetched(&self.ask.id) {
            return true;
        }
        let look = Look::of(&self.service.labels, &self.ask.id, &HeaderMap::new(), true, false);
        let (labels, id) = (Arc::clone(&self.service.labels), self.ask.id.clone());
        let look = move |cache: &image_cache::ImageCache| {
            let found = look.open(cache, |_| true)?;
            // An image of which nothing is known cannot be held against the upstream's.
            if matches!(found, Found::Nothing) && labels.expected(&id).is_none() {
                cache.delete_cached_image(&id)?;
            }
            Ok(matches!(found, Found::Hit(_)))
        };
        self.service.cache.run(look).await.unwrap_or(false)
    }

    async fn look(&self, fits: impl FnOnce(&Label) -> bool + Send + 'static) -> Found {
        let is_head = self.head.method == Method::HEAD;
        let look = Look::of(&self.service.labels, &self.ask.id, &self.head.headers, is_head, false);
        let found = self.service.cache.run(move |cache| look.open(cache, fits)).await;
        found.unwrap_or_else(|error| {
            log_bypass(&self.ask, &error);
            Found::Nothing
        })
    }

    /// Asks the upstream whether the cached image is still the one it has; nothing where it is not cached any more.
    async fn revalidate(&self, label: &Arc<Label>) -> Option<Response<Body>> {
        let conditions = rules::conditions(label);
        if label.upstream != self.service.upstream.base() || conditions.is_empty() {
            self.service.evict_this(&self.ask.id, label).await;
            return None;
        }
        let response = match self.ask_if(conditions).await {
            Ok(response) => response,
            Err(_) if self.service.options.serve_stale_if_unreachable => {
                return self.still(label).await;
            }
            Err(failure) => return Some(failed(&failure)),
        };
        match response.status() {
            StatusCode::NOT_MODIFIED => {
                self.confirm(label, response.headers()).await;
                self.still(label).await
            }
            StatusCode::OK => {
                self.service.evict_this(&self.ask.id, label).await;
                None
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                self.service.evict_this(&self.ask.id, label).await;
                Some(bypassed(self.headless(response)))
            }
            _ => Some(bypassed(self.headless(response))),
        }
    }

    async fn ask_if(&self, conditions: HeaderMap) -> Result<Response<Incoming>, Failure> {
        let mut headers = self.ask.headers.clone();
        headers.extend(conditions);
        self.service.upstream.get(&self.ask.target, headers).await
    }

    /// An answer to a GET, for a client that may have asked for its head only.
    fn headless(&self, response: Response<Incoming>) -> Response<Body> {
        match self.head.method {
            Method::HEAD => response.map(|_| body::empty()),
            _ => response.map(body::passing),
        }
    }

    /// The cached image, if it is still the one with this label.
    async fn still(&self, label: &Arc<Label>) -> Option<Response<Body>> {
        let modified = label.modified;
        match self.look(move |label| label.modified == modified).await {
            Found::Hit(hit) => Some(self.service.answer_with(hit, &self.ask, &self.head)),
            Found::Unfit(_) | Found::Nothing => None,
        }
    }

    /// The upstream has confirmed what was said of the image.
    async fn confirm(&self, label: &Label, headers: &HeaderMap) {
        let mut label = label.clone();
        label.confirm(headers);
        let (labels, id) = (Arc::clone(&self.service.labels), self.ask.id.clone());
        let put = self.service.cache.run(move |_| {
            labels.put(&id, label);
            Ok(())
        });
        // A runtime that stops keeps nothing.
        let _ = put.await;
    }

    /// From a fetch that runs, once the upstream has consented where it has to.
    async fn read_along(&self) -> Option<Response<Body>> {
        let is_get = self.head.method == Method::GET;
        let label = self.service.labels.expected(&self.ask.id).filter(|_| is_get)?;
        if self.service.options.authorises() {
            let conditions = rules::conditions(&label);
            if conditions.is_empty() {
                return None;
            }
            match self.ask_if(conditions).await {
                Ok(answer) if answer.status() == StatusCode::NOT_MODIFIED => {}
                Ok(answer) => return Some(bypassed(answer.map(body::passing))),
                Err(failure) => return Some(failed(&failure)),
            }
        }
        along::read_along(self.service, &self.ask, &self.head.headers, label).await
    }

    /// Opens the image at the upstream, and fetches it for everybody.
    async fn miss(&self) -> Response<Body> {
        let answer = self.service.upstream.get(&self.ask.target, self.ask.headers.clone()).await;
        let response = match answer {
            Ok(response) => response,
            Err(failure) => return failed(&failure),
        };
        if !rules::may_be_kept(&response) {
            return bypassed(response.map(body::passing));
        }
        let size = response.body().size_hint().exact();
        let (head, incoming) = response.into_parts();
        let md5 = head.headers.get(CONTENT_MD5).and_then(rules::md5_of);
        let expected = expected(size, md5.as_deref());
        let label = Label::of(&self.service.upstream.base(), &head.headers, size, md5);
        let begun =
            fetch::begin(self.service, self.ask.clone(), incoming, Arc::new(label), expected);
        match begun.await {
            Ok(Begun::Reading(reader)) => {
                streamed(Response::from_parts(head, ()), reader, size).await
            }
            Ok(Begun::Elsewhere(body)) => bypassed(Response::from_parts(head, body::passing(body))),
            Err(error) => {
                log_bypass(&self.ask, &error);
                self.service.bypass(self.head.clone()).await
            }
        }
    }
}
