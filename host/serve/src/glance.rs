//! The profile `glance`: an image's data comes from the cache, everything else from the Glance API.

mod paths;
mod record;
mod ruling;

pub use record::Record;

use super::along::{expected, streamed};
use super::answer::bypassed;
use super::body::Body;
use super::cache_control::CacheControl;
use super::cache_status::{CacheStatus, Reason};
use super::collapsing::{Asking, Outcome, Turn, tell};
use super::fetch::{Ask, Begun};
use super::hit::{Found, Look};
use super::label::{CONTENT_MD5, Label};
use super::range::{Asked, Part};
use super::service::{Service, failed, log_bypass};
use super::upstream::{Failure, IsFramed, Ranged};
use super::{along, answer, fetch, label};
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, header};
use image_cache::Route;
use paths::{image, withdrawn};
use ruling::Ruling;
use std::sync::Arc;

/// So often an image is looked for in the cache and at the upstream before it comes past the cache.
const ATTEMPTS: u32 = 3;

/// Answers a client's request.
pub async fn answer(service: &Arc<Service>, request: Request<Body>) -> Response<Body> {
    let has_body = !request.body().is_end_stream();
    let image = image(request.uri().path()).map(str::to_owned);
    match image {
        Some(id) if request.method() == Method::GET && !has_body => {
            let (head, _) = request.into_parts();
            if head.uri.query().is_some() {
                return service.bypass(Reason::Path, head).await;
            }
            get(service, &id, legacy_range(head)).await
        }
        _ => pass(service, request).await,
    }
}

/// Glance's older form of a range: a request's Content-Range (`bytes 0-9/*`) counts where there is no Range.
fn legacy_range(mut head: Parts) -> Parts {
    let said = head.headers.get(header::CONTENT_RANGE).and_then(|said| said.to_str().ok());
    let range = said.and_then(|said| {
        let (unit, range) = said.trim().split_once(' ')?;
        let (range, _) = range.split_once('/')?;
        let is_range = unit.eq_ignore_ascii_case("bytes") && range.contains('-');
        is_range.then(|| format!("bytes={}", range.trim()))
    });
    if let Some(Ok(range)) = range.map(HeaderValue::try_from)
        && !head.headers.contains_key(header::RANGE)
    {
        head.headers.remove(header::CONTENT_RANGE);
        head.headers.insert(header::RANGE, range);
    }
    head
}

/// Hands a request on; one that took an image away evicts it.
async fn pass(service: &Service, request: Request<Body>) -> Response<Body> {
    let withdrawn = withdrawn(request.method(), request.uri().path());
    let response = service.pass(request).await;
    let has_changed = response.status().is_success() || response.status().is_redirection();
    if let Some(id) = withdrawn.filter(|_| has_changed) {
        service.evict(&id).await;
        service.consents.forget();
    }
    CacheStatus::Bypass(Reason::Method).mark(response)
}

async fn get(service: &Arc<Service>, id: &str, head: Parts) -> Response<Body> {
    let ask = Ask::new(id, head.uri.path(), service.fields.for_shared_fetch(&head.headers));
    let mut request = Get { service, head, ask, consented: false, is_unreachable: false };
    match request.record().await {
        Ruling::Refused(response) => response,
        Ruling::Unreachable(response) => {
            request.is_unreachable = true;
            request.hit(None).await.unwrap_or(response)
        }
        Ruling::Granted(record) => request.serve(record).await,
    }
}

/// A request for an image's data.
struct Get<'a> {
    service: &'a Arc<Service>,
    head: Parts,
    ask: Ask,
    /// Whether the upstream has consented to this very download.
    consented: bool,
    /// Whether it could not be asked, so that what is cached is served stale.
    is_unreachable: bool,
}

impl Get<'_> {
    /// From the cache, from a fetch that runs, or by one that begins.
    async fn serve(mut self, record: Option<Arc<Record>>) -> Response<Body> {
        if record.is_none()
            && let Some(answer) = self.hit(None).await
        {
            return answer;
        }
        for _ in 0..ATTEMPTS {
            if self.is_there(record.as_deref()).await {
                if let Some(refused) = self.refusal(record.as_ref()).await {
                    return refused;
                }
                if let Some(answer) = self.hit(record.as_deref()).await {
                    return answer;
                }
                if let Some(answer) = self.read_along(record.as_deref()).await {
                    return answer;
                }
            }
            let is_whole = Asked::of(&self.head.headers, None) == Asked::All;
            if !is_whole && !self.service.options.fetch_on_range {
                return self.service.bypass(Reason::Partial, self.head).await;
            }
            let asking = match self.service.collapsing.turn(&self.ask.id).await {
                Turn::Ask(asking) => Some(asking),
                Turn::AskAlone | Turn::Told(Outcome::NotShared) => None,
                Turn::Told(Outcome::Failed(failure)) => return failed(&failure),
                Turn::Told(Outcome::Shared(_) | Outcome::Unknown) => continue,
            };
            if self.is_there(record.as_deref()).await {
                continue;
            }
            let room = self.service.room_for_fetch_on_range();
            if !is_whole && room.is_none() {
                drop(asking);
                return self.service.bypass(Reason::Partial, self.head).await;
            }
            let answer = self.miss(record.as_deref(), asking).await;
            if is_whole {
                return answer;
            }
            let Some(room) = room.filter(|_| CacheStatus::is_fetch(&answer)) else {
                return self.service.bypass(Reason::Partial, self.head).await;
            };
            room.drain(answer);
            // The upstream has just let the caller have all of it.
            self.consented = true;
        }
        self.service.bypass(Reason::CacheFailed, self.head).await
    }

    /// Whether the image that Glance speaks of is cached or being fetched; another one is evicted.
    async fn is_there(&self, record: Option<&Record>) -> bool {
        if self.service.is_being_fetched(&self.ask.id) {
            return true;
        }
        let id = self.ask.id.clone();
        let size = self.service.cache.run(move |cache| cache.image_size(&id)).await;
        let Ok(Some(size)) = size else { return false };
        let is_other = record.and_then(|record| record.size).is_some_and(|known| known != size);
        if is_other {
            self.service.evict(&self.ask.id).await;
        }
        !is_other
    }

    async fn open(&self, one_byte: bool) -> Result<Response<Incoming>, Failure> {
        let mut headers = self.ask.headers.clone();
        if one_byte {
            headers.insert(header::RANGE, Ranged::first_byte());
        }
        self.service.upstream.get(&self.ask.target, headers).await
    }

    /// The cached image, where it is the one that Glance speaks of.
    async fn hit(&self, record: Option<&Record>) -> Option<Response<Body>> {
        let look = Look::of(&self.service.labels, &self.ask.id, &self.head.headers, false, true);
        let (record, is_unreachable) = (record.cloned(), self.is_unreachable);
        let is_asked = record.is_some();
        let fits = move |label: &Label| match &record {
            Some(record) => record.agrees(label) && !label.cache_control().forbids_sharing(),
            None => {
                let is_stale = is_unreachable && label.cache_control().forbids_stale();
                !label.is_outdated() && !is_stale
            }
        };
        match self.service.cache.run(move |cache| look.open(cache, fits)).await {
            Ok(Found::Hit(hit)) => {
                Some(self.service.answer_with(CacheStatus::Hit, hit, &self.ask, &self.head))
            }
            Ok(Found::Nothing) => None,
            Ok(Found::Unfit(_)) if self.is_unreachable => None,
            Ok(Found::Unfit(label)) if !is_asked => Box::pin(self.revalidate(&label)).await,
            Ok(Found::Unfit(label)) => {
                self.service.evict_this(&self.ask.id, &label).await;
                None
            }
            Err(error) => {
                log_bypass(&self.ask, &error);
                None
            }
        }
    }

    /// What was stored by older rules is held against what Glance says of it, once.
    async fn revalidate(&self, label: &Arc<Label>) -> Option<Response<Body>> {
        let record = match self.ask_record().await {
            Ruling::Refused(response) | Ruling::Unreachable(response) => return Some(response),
            Ruling::Granted(record) => record?,
        };
        let mut confirmed = Label::clone(label);
        confirmed.confirm(&HeaderMap::new());
        let (labels, id) = (Arc::clone(&self.service.labels), self.ask.id.clone());
        if record.agrees(label) {
            let put = self.service.cache.run(move |_| Ok(labels.put(&id, confirmed)));
            // A runtime that stops keeps nothing.
            let _ = put.await;
        }
        self.hit(Some(&record)).await
    }

    /// From a fetch that runs, as far as that has come or will soon.
    async fn read_along(&self, record: Option<&Record>) -> Option<Response<Body>> {
        let label = self.service.labels.shareable_fetch(&self.ask.id);
        let label = label.or_else(|| record.map(|record| Arc::new(self.label_of(record))))?;
        if record.is_some_and(|record| !record.agrees(&label)) {
            return None;
        }
        along::read_along(self.service, &self.ask, &self.head.headers, label).await
    }

    /// Opens the image at the upstream, and fetches it for everybody.
    async fn miss(&self, record: Option<&Record>, asking: Option<Asking>) -> Response<Body> {
        let response = match self.open(false).await {
            Ok(response) => response,
            Err(failure) => {
                tell(asking, Outcome::Failed(failure.clone()));
                return failed(&failure);
            }
        };
        let length = response.body().size_hint().exact();
        let promised = record.and_then(|record| record.size);
        let lies = matches!((length, promised), (Some(sent), Some(promised)) if sent != promised);
        let keeping = self.keeping(&response, promised.is_some());
        if lies {
            tracing::warn!(image = %self.ask.id, ?length, ?promised, "the upstream sends another length than its record says; the image is not cached");
        }
        if let Some(reason) = keeping.err().or(lies.then_some(Reason::NotStorable)) {
            tell(asking, Outcome::NotShared);
            return bypassed(reason, self.service.passing(response));
        }
        let size = length.or(promised);
        let (mut head, incoming) = response.into_parts();
        let said = head.headers.get(CONTENT_MD5).and_then(|md5| md5.to_str().ok());
        let md5 = record.and_then(Record::checksum).or(said).map(str::to_owned);
        let expected = expected(size, md5.as_deref());
        let md5 = expected.md5.as_ref().map(ToString::to_string);
        let mut label = Label::of(self.service.upstream.base(), &head.headers, size, md5);
        label.describe_as_glance();
        let label = Arc::new(label);
        let begun =
            fetch::begin(self.service, self.ask.clone(), incoming, Arc::clone(&label), expected);
        let reader = match begun.await {
            Ok(Begun::Reading(reader)) => reader,
            Ok(Begun::Elsewhere(body)) => {
                tell(asking, Outcome::Unknown);
                let response = self.service.passing(Response::from_parts(head, body));
                return bypassed(Reason::CacheFailed, response);
            }
            Err(error) => {
                tell(asking, Outcome::NotShared);
                log_bypass(&self.ask, &error);
                return self.service.bypass(Reason::CacheFailed, self.head.clone()).await;
            }
        };
        if reader.route() == Route::Passing {
            tell(asking, Outcome::NotShared);
        } else {
            self.service.collapsing.is_shared(&self.ask.id);
            tell(asking, Outcome::Shared(Arc::clone(&label)));
        }
        let ours = answer::head(&label, size.unwrap_or_default(), &Part::All);
        for (name, value) in ours.headers() {
            head.headers.entry(name).or_insert_with(|| value.clone());
        }
        if size.is_none() {
            head.headers.remove(header::CONTENT_LENGTH);
        }
        streamed(CacheStatus::Miss, Response::from_parts(head, ()), reader, size).await
    }

    /// Whether an image's answer may be kept for others; the reason where it may not. Glance says nothing of it, but what
    /// stands in front of Glance may.
    fn keeping(&self, response: &Response<Incoming>, has_known_end: bool) -> Result<(), Reason> {
        let headers = response.headers();
        let control = CacheControl::of(headers);
        if response.status() != StatusCode::OK {
            return Err(Reason::Status);
        }
        if control.forbids_sharing() || (control.no_cache && !self.service.options.authorises()) {
            return Err(Reason::Forbidden);
        }
        let is_encoded =
            headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        let is_framed = response.extensions().get() == Some(&IsFramed(true));
        if is_encoded || !(is_framed || has_known_end) {
            return Err(Reason::NotStorable);
        }
        if label::is_storable(headers) { Ok(()) } else { Err(Reason::TooManyFields) }
    }

    fn label_of(&self, record: &Record) -> Label {
        let md5 = record.checksum().map(str::to_owned);
        let upstream = self.service.upstream.base();
        let mut label = Label::of(upstream, &HeaderMap::new(), record.size, md5);
        label.describe_as_glance();
        label
    }
}
