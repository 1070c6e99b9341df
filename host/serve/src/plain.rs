//! The profile `plain`: what is got below the upstream's URL comes from the cache, as long as HTTP's rules for shared
//! caches allow that (RFC 9111).

pub(crate) mod credentials_in_query;
mod invalidation;
mod miss;
mod revalidation;
mod rules;

pub use credentials_in_query::KnownCredentials;

use super::answer::refuse;
use super::body::Body;
use super::cache_status::{CacheStatus, Reason};
use super::collapsing::{Outcome, Turn};
use super::fetch::Ask;
use super::hit::{Found, Look};
use super::label::Label;
use super::range::Asked;
use super::service::{Service, failed, log_bypass};
use super::{along, plain_id, service};
use hyper::body::Body as _;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, header};
use rules::Wishes;
use std::sync::Arc;

/// So often an image is looked for in the cache and at the upstream before it comes past the cache.
const ATTEMPTS: u32 = 3;

/// Answers a client's request.
pub async fn answer(service: &Arc<Service>, request: Request<Body>) -> Response<Body> {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    if !is_read || !request.body().is_end_stream() {
        return invalidation::pass(service, request).await;
    }
    let target = service::target(&request).to_owned();
    let id = match service.credentials.id(&target) {
        Some(hidden) if service.options.sharing.cache_credential_queries => Some(hidden),
        Some(_) => return service.bypass(Reason::CredentialInQuery, request.into_parts().0).await,
        None => plain_id::of_target(&target),
    };
    let (head, _) = request.into_parts();
    let authorises = service.options.authorises();
    if let Some(reason) = rules::bypass(&head.headers, &service.fields, authorises) {
        return service.bypass(reason, head).await;
    }
    let Some(id) = id else { return service.bypass(Reason::Path, head).await };
    let ask = Ask::new(&id, &target, service.fields.for_shared_fetch(&head.headers));
    let wishes = Wishes::of(&head.headers);
    Get { service, head, ask, wishes, authorises, told: None }.serve().await
}

/// A request for what may be cached.
struct Get<'a> {
    service: &'a Arc<Service>,
    head: Parts,
    ask: Ask,
    wishes: Wishes,
    /// Whether each use needs the upstream's consent.
    authorises: bool,
    /// What the upstream said of the image to another request, while this one waited for it: that is fresh.
    told: Option<Arc<Label>>,
}

/// How a request goes on.
enum Next {
    Answered(Response<Body>),
    LookAgain,
    Bypass,
}

impl Get<'_> {
    async fn serve(mut self) -> Response<Body> {
        for _ in 0..ATTEMPTS {
            self.ask.asked = self.service.labels.changes();
            let stored = match self.look_for_fresh().await {
                Found::Hit(hit) => {
                    return self.service.answer_with(CacheStatus::Hit, hit, &self.ask, &self.head);
                }
                Found::Unfit(label) => Some(label),
                Found::Nothing => None,
            };
            let running = self.service.labels.shareable_fetch(&self.ask.id);
            let known = stored.as_deref().or(running.as_deref());
            if known.is_some_and(|label| !self.is_variant(label.repeated())) {
                return self.service.bypass(Reason::Vary, self.head).await;
            }
            if stored.is_none()
                && let Some(answer) = self.read_along(running).await
            {
                return answer;
            }
            if self.wishes.want_only_cached() {
                let words = "it is not cached, or has to be asked for\n";
                return refuse(StatusCode::GATEWAY_TIMEOUT, words);
            }
            let varied = self.service.collapsing.varied(&self.ask.id);
            if stored.is_none() && varied.is_some_and(|fields| !self.is_variant(&fields)) {
                return self.service.bypass(Reason::Vary, self.head).await;
            }
            match self.ask_upstream(stored).await {
                Next::Answered(answer) => return answer,
                Next::LookAgain => {}
                Next::Bypass => break,
            }
        }
        let reason = if self.is_for_all() { Reason::CacheFailed } else { Reason::Partial };
        self.service.bypass(reason, self.head).await
    }

    /// For itself alone, where only this caller's right or a part is asked for; for everybody who waits otherwise.
    async fn ask_upstream(&mut self, stored: Option<Arc<Label>>) -> Next {
        match stored {
            Some(label) if self.authorises || !self.is_for_all() => {
                let answer = self.revalidate(&label, None).await;
                answer.map_or(Next::LookAgain, Next::Answered)
            }
            None if !self.is_for_all() => Next::Bypass,
            stored => self.take_turn(stored).await,
        }
    }

    /// Asks the upstream for everybody who waits for this image, or waits for what another request is told.
    async fn take_turn(&mut self, stored: Option<Arc<Label>>) -> Next {
        let asking = match self.service.collapsing.turn(&self.ask.id).await {
            Turn::Ask(asking) => Some(asking),
            Turn::AskAlone | Turn::Told(Outcome::NotShared) => None,
            Turn::Told(Outcome::Failed(failure)) => {
                return match stored.filter(|label| self.may_be_stale(label)) {
                    Some(label) => self
                        .still(&label, CacheStatus::Hit)
                        .await
                        .map_or(Next::LookAgain, Next::Answered),
                    None => Next::Answered(failed(&failure)),
                };
            }
            Turn::Told(Outcome::Shared(label)) => {
                self.told = Some(label);
                return Next::LookAgain;
            }
            Turn::Told(Outcome::Unknown) => return Next::LookAgain,
        };
        self.ask.asked = self.service.labels.changes();
        // It may have come between the look and the turn.
        if self.has_come(stored.as_deref()).await {
            return Next::LookAgain;
        }
        let answer = match stored {
            Some(label) => self.revalidate(&label, asking).await,
            None => Some(self.miss(asking).await),
        };
        let Some(answer) = answer else { return Next::LookAgain };
        let is_bypass = matches!(CacheStatus::of(&answer), Some(CacheStatus::Bypass(_)));
        match is_bypass {
            _ if self.is_whole() => Next::Answered(answer),
            true => Next::Bypass,
            // All of it is fetched, so that the part can be read from it.
            false if CacheStatus::is_fetch(&answer) => match self.service.room_for_fetch_on_range()
            {
                Some(room) => {
                    room.drain(answer);
                    Next::LookAgain
                }
                None => Next::Bypass,
            },
            false => Next::Answered(answer),
        }
    }

    /// Whether the request may have the whole image fetched, so that others can have it, too.
    fn is_for_all(&self) -> bool {
        let fetches = self.is_whole() || self.service.options.fetch_on_range;
        self.head.method == Method::GET && fetches && !self.is_conditional()
    }

    fn is_whole(&self) -> bool {
        Asked::of(&self.head.headers, None) == Asked::All
    }

    fn is_conditional(&self) -> bool {
        let conditions = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];
        conditions.iter().any(|name| self.head.headers.contains_key(name))
    }

    /// Whether an answer with these fields is one for this request.
    fn is_variant(&self, fields: &HeaderMap) -> bool {
        rules::is_variant_for(fields, &self.head.headers)
    }

    async fn look_for_fresh(&self) -> Found {
        let (service, wishes) = (Arc::clone(self.service), self.wishes.clone());
        let (authorises, told) = (self.authorises, self.told.clone());
        let headers = self.head.headers.clone();
        self.look(move |label| {
            let is_told = told.is_some_and(|told| told.begun == label.begun && !label.is_invalid);
            let is_fresh = !authorises && (is_told || wishes.accept(label));
            is_fresh
                && service.upstream.is(&label.upstream)
                && rules::is_variant_for(label.repeated(), &headers)
        })
        .await
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

    /// Whether a fetch runs, or another image is stored, or a younger confirmation, than this request has seen.
    async fn has_come(&self, seen: Option<&Label>) -> bool {
        if self.service.is_being_fetched(&self.ask.id) {
            return true;
        }
        let seen = seen.map(|label| (label.begun, label.confirmed));
        let look = Look::of(&self.service.labels, &self.ask.id, &HeaderMap::new(), true, false);
        let (labels, id) = (Arc::clone(&self.service.labels), self.ask.id.clone());
        let look = move |cache: &image_cache::ImageCache| {
            let found = look.open(cache, |_| true)?;
            // An image of which nothing is known cannot be held against the upstream's.
            if matches!(found, Found::Nothing) && labels.is_unknown(&id) {
                cache.delete_cached_image(&id)?;
            }
            let Found::Hit(hit) = found else { return Ok(seen.is_some()) };
            Ok(seen != Some((hit.label.begun, hit.label.confirmed)))
        };
        self.service.cache.run(look).await.unwrap_or(false)
    }

    /// From a fetch that runs: a request that came before its head was told of it; a later one needs that it is fresh, or
    /// the upstream's word that it is still the same, and for this caller.
    async fn read_along(&self, running: Option<Arc<Label>>) -> Option<Response<Body>> {
        let label = running.filter(|_| self.head.method == Method::GET)?;
        let is_told = self.told.as_ref().is_some_and(|told| told.begun == label.begun);
        let is_told = is_told && !label.is_invalid;
        if self.authorises || !(is_told || self.wishes.accept(&label)) {
            let conditions = rules::conditions(&label, self.authorises);
            if conditions.is_empty() || self.wishes.want_only_cached() {
                return None;
            }
            match self.ask_if(conditions).await {
                Ok(answer) if answer.status() == StatusCode::NOT_MODIFIED => {}
                // It ignores conditions, and says by itself that these are the bytes.
                Ok(answer)
                    if answer.status() == StatusCode::OK && label.agrees(answer.headers()) => {}
                Ok(answer) => return Some(self.past(Reason::NotAuthorised, answer)),
                Err(failure) => return Some(failed(&failure)),
            }
        }
        let (ask, headers) = (&self.ask, &self.head.headers);
        let answer = along::read_along(self.service, ask, headers, Arc::clone(&label)).await;
        // Another one may have come in its place while the upstream was asked about this one.
        answer.filter(|_| self.service.labels.is_current(&self.ask.id, &label))
    }
}
