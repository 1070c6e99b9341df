//! The profile `plain`: what is got below the upstream's URL comes from the cache, as long as HTTP's rules for shared
//! caches allow that (RFC 9111).

use super::along::{self, expected, streamed};
use super::answer::bypassed;
use super::body::{self, Body};
use super::fetch::{self, Ask, Repair};
use super::hit::{Found, Hit, Look};
use super::label::{CONTENT_MD5, Label};
use super::plain_id;
use super::range::Asked;
use super::service::{self, Service, failed, log_bypass};
use super::upstream::IsFramed;
use headers::{CacheControl, HeaderMapExt, IfModifiedSince, IfNoneMatch};
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// So often an image is looked for in the cache and at the upstream before it comes past the cache.
const ATTEMPTS: u32 = 3;

/// Conditions that only the upstream can judge.
const CONDITIONS: [HeaderName; 2] = [header::IF_MATCH, header::IF_UNMODIFIED_SINCE];

/// What makes an answer one for this caller alone.
const PERSONAL: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// Answers a client's request.
pub async fn answer(service: &Arc<Service>, request: Request<Body>) -> Response<Body> {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    if !is_read || !request.body().is_end_stream() {
        return service.pass(request).await;
    }
    let target = service::target(&request).to_owned();
    let id = plain_id::of_target(&target);
    let (head, _) = request.into_parts();
    let Some(id) = id.filter(|_| may_be_shared(service, &head.headers)) else {
        return service.bypass(head).await;
    };
    let ask = Ask::new(&id, &target, &head.headers);
    Get { service, head, ask }.serve().await
}

/// Whether a request may be answered with what others were answered.
fn may_be_shared(service: &Service, headers: &HeaderMap) -> bool {
    let is_personal = PERSONAL.iter().any(|name| headers.contains_key(name));
    let is_conditional = CONDITIONS.iter().any(|name| headers.contains_key(name));
    let control = headers.typed_get::<CacheControl>();
    let is_secret = control.is_some_and(|control| control.no_store());
    let is_judged = !is_personal || service.options.authorises();
    is_judged && !is_conditional && !is_secret
}

/// A request for what may be cached.
struct Get<'a> {
    service: &'a Arc<Service>,
    head: Parts,
    ask: Ask,
}

impl Get<'_> {
    async fn serve(self) -> Response<Body> {
        let must_ask = self.service.options.authorises() || wants_fresh(&self.head.headers);
        for _ in 0..ATTEMPTS {
            let base = self.service.upstream.base();
            let is_fresh = move |label: &Label| {
                !must_ask && label.upstream == base && label.is_fresh(SystemTime::now())
            };
            match self.look(is_fresh).await {
                Found::Hit(hit) => return self.answer(hit),
                Found::Unfit(label) => {
                    if let Some(answer) = self.revalidate(&label).await {
                        return answer;
                    }
                    continue;
                }
                Found::Nothing => {}
            }
            if let Some(answer) = self.read_along().await {
                return answer;
            }
            if !self.is_for_all() {
                break;
            }
            let _opening = self.service.openings.turn(&self.ask.id).await;
            if self.is_there().await {
                continue;
            }
            return self.miss().await;
        }
        self.service.bypass(self.head).await
    }

    /// Whether the request asks for the whole image, so that others can have it, too.
    fn is_for_all(&self) -> bool {
        let headers = &self.head.headers;
        let is_conditional = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE]
            .iter()
            .any(|name| headers.contains_key(name));
        let is_whole = Asked::of(headers, None) == Asked::All;
        self.head.method == Method::GET && is_whole && !is_conditional
    }

    async fn is_there(&self) -> bool {
        if self.service.is_being_fetched(&self.ask.id) {
            return true;
        }
        let (labels, id) = (Arc::clone(&self.service.labels), self.ask.id.clone());
        let headers = HeaderMap::new();
        let look = move |cache: &image_cache::ImageCache| {
            let look = Look {
                cache,
                labels: &labels,
                id: &id,
                headers: &headers,
                is_head: true,
                trusts_books: false,
            };
            let found = look.open(|_| true)?;
            // An image of which nothing is known cannot be held against the upstream's.
            if matches!(found, Found::Nothing) && labels.expected(&id).is_none() {
                cache.delete_cached_image(&id)?;
            }
            Ok(matches!(found, Found::Hit(_)))
        };
        self.service.cache.run(look).await.unwrap_or(false)
    }

    async fn look(&self, fits: impl FnOnce(&Label) -> bool + Send + 'static) -> Found {
        let (labels, id) = (Arc::clone(&self.service.labels), self.ask.id.clone());
        let headers = self.head.headers.clone();
        let is_head = self.head.method == Method::HEAD;
        let look = move |cache: &image_cache::ImageCache| {
            let (labels, id, headers) = (&labels, &id, &headers);
            Look { cache, labels, id, headers, is_head, trusts_books: false }.open(fits)
        };
        self.service.cache.run(look).await.unwrap_or_else(|error| {
            log_bypass(&self.ask, &error);
            Found::Nothing
        })
    }

    fn answer(&self, hit: Hit) -> Response<Body> {
        if has_it(&self.head.headers, &hit.label) {
            return hit.not_modified();
        }
        let (service, ask) = (Arc::clone(self.service), self.ask.clone());
        let label = Arc::clone(&hit.label);
        hit.answer(Repair { service, ask, label })
    }

    /// Asks the upstream whether the cached image is still the one it has; nothing where it is not cached any more.
    async fn revalidate(&self, label: &Arc<Label>) -> Option<Response<Body>> {
        let conditions = conditions(label);
        if label.upstream != self.service.upstream.base() || conditions.is_empty() {
            self.service.evict_this(&self.ask.id, label).await;
            return None;
        }
        let mut headers = self.ask.headers.clone();
        headers.extend(conditions);
        let response = match self.service.upstream.get(&self.ask.target, headers).await {
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
            Found::Hit(hit) => Some(self.answer(hit)),
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

    /// From a fetch that runs; with conditions of its own, a request is the upstream's to answer.
    async fn read_along(&self) -> Option<Response<Body>> {
        let is_plain = self.head.method == Method::GET && !self.service.options.authorises();
        let label = self.service.labels.expected(&self.ask.id).filter(|_| is_plain)?;
        along::read_along(self.service, &self.ask, &self.head.headers, label).await
    }

    /// Opens the image at the upstream, and fetches it for everybody.
    async fn miss(&self) -> Response<Body> {
        let answer = self.service.upstream.get(&self.ask.target, self.ask.headers.clone()).await;
        let response = match answer {
            Ok(response) => response,
            Err(failure) => return failed(&failure),
        };
        if !may_be_kept(&response) {
            return bypassed(response.map(body::passing));
        }
        let size = response.body().size_hint().exact();
        let (head, incoming) = response.into_parts();
        let md5 = head.headers.get(CONTENT_MD5).and_then(md5_of);
        let expected = expected(size, md5.as_deref());
        let label = Label::of(&self.service.upstream.base(), &head.headers, size, md5);
        let begun =
            fetch::begin(self.service, self.ask.clone(), incoming, Arc::new(label), expected);
        match begun.await {
            Ok(reader) => streamed(Response::from_parts(head, ()), reader, size).await,
            Err(error) => {
                log_bypass(&self.ask, &error);
                self.service.bypass(self.head.clone()).await
            }
        }
    }
}

/// Whether the caller does not take what was not checked just now.
fn wants_fresh(headers: &HeaderMap) -> bool {
    let control = headers.typed_get::<CacheControl>();
    let says_so = control
        .as_ref()
        .is_some_and(|control| control.no_cache() || control.max_age() == Some(Duration::ZERO));
    says_so || (control.is_none() && headers.contains_key(header::PRAGMA))
}

/// Whether the caller has the image already.
fn has_it(headers: &HeaderMap, label: &Label) -> bool {
    let ours = label.repeated();
    if let Some(known) = headers.typed_get::<IfNoneMatch>() {
        let etag = ours.typed_get::<headers::ETag>();
        return etag.is_some_and(|etag| !known.precondition_passes(&etag));
    }
    let since = headers.typed_get::<IfModifiedSince>();
    let modified = ours.typed_get::<headers::LastModified>();
    match (since, modified) {
        (Some(since), Some(modified)) => !since.is_modified(modified.into()),
        _ => false,
    }
}

/// What asks the upstream for an image only if it is another one.
fn conditions(label: &Label) -> HeaderMap {
    let known =
        [(header::IF_NONE_MATCH, header::ETAG), (header::IF_MODIFIED_SINCE, header::LAST_MODIFIED)];
    let condition = |(condition, validator)| {
        Some((condition, HeaderValue::from_str(label.header(&validator)?).ok()?))
    };
    known.into_iter().filter_map(condition).collect()
}

/// Whether an answer may be kept for others.
fn may_be_kept(response: &Response<Incoming>) -> bool {
    let headers = response.headers();
    let control = headers.typed_get::<CacheControl>();
    let is_secret = control.is_some_and(|control| control.no_store() || control.private());
    let varies = [header::VARY, header::SET_COOKIE, header::CONTENT_ENCODING]
        .iter()
        .any(|name| headers.contains_key(name));
    let is_framed = response.extensions().get() == Some(&IsFramed(true));
    let can_be_checked =
        [header::ETAG, header::LAST_MODIFIED, header::CACHE_CONTROL, header::EXPIRES]
            .iter()
            .any(|name| headers.contains_key(name));
    response.status() == StatusCode::OK && !is_secret && !varies && is_framed && can_be_checked
}

/// An MD5 in hexadecimal, of a header that has it so or in base64.
fn md5_of(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?.trim();
    if text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    // 16 bytes are 22 digits and two signs of padding.
    let digits = text.strip_suffix("==").filter(|digits| digits.len() == 22)?;
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(16), 0_u32, 0);
    for digit in digits.bytes() {
        (bits, held) = (bits << 6 | u32::from(value(digit)?), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_md5_is_understood_in_both_its_forms() {
        let md5 = |text| md5_of(&HeaderValue::from_static(text));
        let empty = Some("d41d8cd98f00b204e9800998ecf8427e".to_owned());
        assert_eq!(md5("1B2M2Y8AsgTpgAmY7PhCfg=="), empty);
        assert_eq!(md5("D41D8CD98F00B204E9800998ECF8427E"), empty);
        for other in
            ["", "1B2M2Y8AsgTpgAmY7PhCfg", "1B2M2Y8AsgTpgAmY7PhCf===", "1B2M2Y8AsgTpgAmY7PhC!g=="]
        {
            assert_eq!(md5(other), None, "{other}");
        }
    }
}
