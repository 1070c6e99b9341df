//! The profile `glance`: an image's data comes from the cache, everything else from the Glance API.

mod paths;
mod record;
mod ruling;

pub use record::Record;

use super::along::{self, expected, streamed};
use super::answer::{self, bypassed};
use super::body::{self, Body};
use super::fetch::{self, Ask, Begun};
use super::hit::{Found, Look};
use super::label::{CONTENT_MD5, Label};
use super::range::{Asked, Part};
use super::service::{Service, failed, fetch_to_end, log_bypass};
use super::upstream::{Failure, Ranged};
use hyper::body::{Body as _, Incoming};
use hyper::header;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
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
                return service.bypass(head).await;
            }
            get(service, &id, head).await
        }
        _ => pass(service, request).await,
    }
}

/// Hands a request on; one that took an image away evicts it.
async fn pass(service: &Service, request: Request<Body>) -> Response<Body> {
    let withdrawn = withdrawn(request.method(), request.uri().path());
    let response = service.pass(request).await;
    if let Some(id) = withdrawn.filter(|_| response.status().is_success()) {
        service.evict(&id).await;
        service.consents.forget();
    }
    response
}

async fn get(service: &Arc<Service>, id: &str, head: Parts) -> Response<Body> {
    let ask = Ask::new(id, head.uri.path(), &head.headers);
    let mut request = Get { service, head, ask, consented: false };
    match request.record().await {
        Ruling::Refused(response) => response,
        Ruling::Unreachable(response) => match request.hit(None).await {
            Some(hit) => hit,
            None => response,
        },
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
            let opening = self.service.openings.turn(&self.ask.id).await;
            if self.is_there(record.as_deref()).await {
                continue;
            }
            if Asked::of(&self.head.headers, None) == Asked::All {
                return self.miss(record.as_deref()).await;
            }
            let begun = match self.service.room_for_fetch_on_range() {
                Some(room) => fetch_to_end(self.miss(record.as_deref()).await, room),
                None => false,
            };
            if !begun {
                drop(opening);
                break;
            }
            // The upstream has just let the caller have all of it.
            self.consented = true;
        }
        self.service.bypass(self.head).await
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
        let record = record.cloned();
        let fits = move |label: &Label| record.is_none_or(|record| record.agrees(label));
        match self.service.cache.run(move |cache| look.open(cache, fits)).await {
            Ok(Found::Hit(hit)) => Some(self.service.answer_with(hit, &self.ask, &self.head)),
            Ok(Found::Nothing) => None,
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

    /// From a fetch that runs, as far as that has come or will soon.
    async fn read_along(&self, record: Option<&Record>) -> Option<Response<Body>> {
        let label = self.service.labels.expected(&self.ask.id);
        let label = label.or_else(|| record.map(|record| Arc::new(self.label_of(record))))?;
        if record.is_some_and(|record| !record.agrees(&label)) {
            return None;
        }
        along::read_along(self.service, &self.ask, &self.head.headers, label).await
    }

    /// Opens the image at the upstream, and fetches it for everybody.
    async fn miss(&self, record: Option<&Record>) -> Response<Body> {
        let response = match self.open(false).await {
            Ok(response) => response,
            Err(failure) => return failed(&failure),
        };
        let length = response.body().size_hint().exact();
        let promised = record.and_then(|record| record.size);
        let lies = matches!((length, promised), (Some(sent), Some(promised)) if sent != promised);
        let is_image = response.status() == StatusCode::OK
            && !response.headers().contains_key(header::CONTENT_ENCODING);
        if lies {
            tracing::warn!(image = %self.ask.id, ?length, ?promised, "the upstream sends another length than its record says; the image is not cached");
        }
        if !is_image || lies {
            return bypassed(response.map(body::passing));
        }
        let size = length.or(promised);
        let (mut head, incoming) = response.into_parts();
        let said = head.headers.get(CONTENT_MD5).and_then(|md5| md5.to_str().ok());
        let md5 = record.and_then(Record::checksum).or(said).map(str::to_owned);
        let expected = expected(size, md5.as_deref());
        let md5 = expected.md5.as_ref().map(ToString::to_string);
        let mut label = Label::of(&self.service.upstream.base(), &head.headers, size, md5);
        label.describe_as_glance();
        let label = Arc::new(label);
        let begun =
            fetch::begin(self.service, self.ask.clone(), incoming, Arc::clone(&label), expected);
        let reader = match begun.await {
            Ok(Begun::Reading(reader)) => reader,
            Ok(Begun::Elsewhere(body)) => {
                return bypassed(Response::from_parts(head, body::passing(body)));
            }
            Err(error) => {
                log_bypass(&self.ask, &error);
                return self.service.bypass(self.head.clone()).await;
            }
        };
        let ours = answer::head(&label, size.unwrap_or_default(), &Part::All);
        for (name, value) in ours.headers() {
            head.headers.entry(name).or_insert_with(|| value.clone());
        }
        if size.is_none() {
            head.headers.remove(header::CONTENT_LENGTH);
        }
        streamed(Response::from_parts(head, ()), reader, size).await
    }

    fn label_of(&self, record: &Record) -> Label {
        let md5 = record.checksum().map(str::to_owned);
        let upstream = self.service.upstream.base();
        let mut label = Label::of(&upstream, &Default::default(), record.size, md5);
        label.describe_as_glance();
        label
    }
}
