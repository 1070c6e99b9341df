//! The server of images: one pool of connections, never following a redirect.

use super::body::Body;
use super::dot_segments::may_leave_base;
use super::options::Origin;
use super::patient::SenderStalled;
use super::sending::{Sending, SentBody};
use super::{body, tls, via};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri, Version, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::time::Duration;

/// What belongs to one connection, not to the message (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What says to whom an answer may go, and how its bytes are to be read: no connection can take it along, whatever
/// Connection names (RFC 9110, 7.6.1).
const NEVER_HOP_BY_HOP: [HeaderName; 10] = [
    header::AGE,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::PRAGMA,
    header::SET_COOKIE,
    header::VARY,
];

/// So many connections are kept open for later requests; each holds a descriptor.
const MOST_IDLE: usize = 32;

/// So many header lines an answer may have.
const MOST_HEADERS: usize = 512;

/// The server of images.
pub struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, SentBody>,
    /// The same, with a fresh connection for each request.
    unpooled: Client<HttpsConnector<HttpConnector>, SentBody>,
    /// The same, which leaves out header lines that it cannot read: as browsers do, but what they would have said of
    /// sharing is lost with them, so that its answers are not kept.
    lenient: Client<HttpsConnector<HttpConnector>, SentBody>,
    base: Uri,
    /// The base as a text that is equal where the URL is.
    canonical: String,
    /// Whether it is told the host that the client asked for, or its own name.
    passes_host: bool,
    patience: Duration,
}

/// Why there is no answer of the upstream.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// Nobody asked for anything that it could be asked for.
    #[error("the path is malformed")]
    Malformed,
    /// There is no connection to it.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke off before there was an answer, or what came was none.
    #[error("the upstream gave no answer: {0}")]
    BrokeOff(String),
    /// Its answer is none that can be read.
    #[error("the upstream's answer cannot be read: {0}")]
    Unreadable(String),
    /// The client does not send the rest of its request.
    #[error("the client sends no more")]
    ClientStalled,
    /// It did not answer in time.
    #[error("the upstream does not answer")]
    TimedOut,
}

/// Says whether an answer is whole in its head, and its end can be told from a broken connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsFramed(pub bool);

impl Upstream {
    pub fn new(origin: &Origin, passes_host: bool) -> anyhow::Result<Upstream> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(origin.upstream_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(origin)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_max_idle_per_host(MOST_IDLE)
            // What browsers take from a server is no reason to refuse its answer (RFC 9112, 5.1 and 5.2).
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_max_headers(MOST_HEADERS);
        let client = builder.build(connector.clone());
        let mut ignoring = builder.clone();
        ignoring.http1_ignore_invalid_headers_in_responses(true);
        let lenient = ignoring.build(connector.clone());
        let unpooled = builder.pool_max_idle_per_host(0).build(connector);
        let (base, patience) = (origin.upstream.clone(), origin.upstream_timeout);
        let canonical = canonical(&base);
        Ok(Upstream { client, unpooled, lenient, base, canonical, passes_host, patience })
    }

    /// Its URL, in the one form that all equal URLs have.
    pub fn base(&self) -> &str {
        &self.canonical
    }

    /// Whether a URL in a stored answer is this upstream's.
    pub fn is(&self, url: &str) -> bool {
        url == self.canonical || url.parse().is_ok_and(|url| canonical(&url) == self.canonical)
    }

    /// The target of a request to this service for what a Location names; nothing where that lies elsewhere.
    pub fn target_of(&self, location: &str, target: &str) -> Option<String> {
        let base = self.base.path().trim_end_matches('/');
        let url = super::references::resolve(&self.base, &format!("{base}{target}"), location)?;
        let is_same_server = canonical_server(&url) == canonical_server(&self.base);
        let target = url.path_and_query()?.as_str().strip_prefix(base)?;
        (is_same_server && target.starts_with('/')).then(|| target.to_owned())
    }

    /// The URL of a path below the upstream's.
    fn uri(&self, path_and_query: &str) -> Result<Uri, Failure> {
        let base = self.base.path().trim_end_matches('/');
        let path = path_and_query.split('?').next().unwrap_or_default();
        if !base.is_empty() && may_leave_base(path) {
            return Err(Failure::Malformed);
        }
        let target = format!("{base}{path_and_query}").parse::<PathAndQuery>();
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(target.map_err(|_| Failure::Malformed)?);
        Uri::from_parts(parts).map_err(|_| Failure::Malformed)
    }

    /// A GET with these headers.
    pub async fn get(
        &self,
        target: &str,
        headers: HeaderMap,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::new(body::empty());
        *request.headers_mut() = headers;
        self.send(target, request).await
    }

    /// Sends a request as it is, less what belongs to the connection it came by.
    ///
    /// A connection that was kept open may be closed just when it is used again. An idempotent request without a body
    /// then goes out once more, on a connection of its own: another one of the pool may be dead, too.
    pub async fn send(
        &self,
        target: &str,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, Failure> {
        *request.uri_mut() = self.uri(target)?;
        let received = std::mem::replace(request.version_mut(), Version::HTTP_11);
        strip(request.headers_mut());
        via::add(request.headers_mut(), received);
        if !self.passes_host {
            request.headers_mut().remove(header::HOST);
        }
        let can_be_repeated = request.body().is_end_stream() && is_idempotent(request.method());
        if !can_be_repeated {
            return self.answer(&self.lenient, request).await.and_then(well_formed);
        }
        let again = copy(&request);
        match self.answer(&self.client, request).await {
            Err(Failure::BrokeOff(reason)) => {
                tracing::debug!(reason, "the request goes out again, on a fresh connection");
                self.answer(&self.unpooled, again).await.and_then(well_formed)
            }
            Err(Failure::Unreadable(reason)) => {
                tracing::debug!(
                    reason,
                    "the request goes out again; what cannot be read is left out"
                );
                let mut answer = self.answer(&self.lenient, again).await.and_then(well_formed)?;
                answer.extensions_mut().insert(IsFramed(false));
                Ok(answer)
            }
            answer => answer.and_then(well_formed),
        }
    }

    async fn answer(
        &self,
        client: &Client<HttpsConnector<HttpConnector>, SentBody>,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Failure> {
        let (sending, request) = Sending::of(request);
        let answer = tokio::select! {
            answer = client.request(request) => answer,
            () = sending.stalls_for(self.patience) => return Err(Failure::TimedOut),
        };
        answer.map_err(|error| match in_full(&error) {
            _ if is_of_client(&error) => Failure::ClientStalled,
            _ if is_time_out(&error) => Failure::TimedOut,
            words if error.is_connect() => Failure::Unreachable(words),
            words if is_unreadable(&error) => Failure::Unreadable(words),
            words => Failure::BrokeOff(words),
        })
    }

    /// A short body, to its end: no more than so many bytes, within the time that the upstream has.
    pub async fn collect(&self, body: Incoming, most: usize) -> Result<Bytes, String> {
        let collected = tokio::time::timeout(self.patience, Limited::new(body, most).collect());
        match collected.await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the upstream sends no more".to_owned()),
        }
    }
}

/// Whether a method may be repeated where nobody knows whether it was carried out (RFC 9110, 9.2.2).
fn is_idempotent(method: &Method) -> bool {
    let known =
        [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE];
    known.contains(method)
}

/// A request without a body, once more.
fn copy(request: &Request<Body>) -> Request<Body> {
    let mut again = Request::new(body::empty());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    again
}

/// An answer whose length is said once, or not at all, and without what belongs to its connection.
fn well_formed(mut response: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    let headers = response.headers();
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let codings = headers.get_all(header::TRANSFER_ENCODING);
    // Of another coding nobody undoes it, and none can tell its end.
    if !codings.iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(Failure::Unreadable("its Transfer-Encoding is not chunked alone".to_owned()));
    }
    let is_framed = is_chunked || headers.contains_key(header::CONTENT_LENGTH);
    let length = said_length(headers)?;
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    if let Some(length) = length.filter(|_| !is_chunked) {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    strip(headers);
    *response.version_mut() = Version::HTTP_11;
    response.extensions_mut().insert(IsFramed(is_framed));
    Ok(response)
}

/// The length that all lines of Content-Length say; an error where they do not agree.
fn said_length(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let malformed = || Failure::Unreadable("its Content-Length is malformed".to_owned());
    let mut said = None;
    for line in headers.get_all(header::CONTENT_LENGTH) {
        let line = line.to_str().map_err(|_| malformed())?;
        for length in line.split(',') {
            let length: u64 = length.trim().parse().map_err(|_| malformed())?;
            if said.is_some_and(|said| said != length) {
                return Err(malformed());
            }
            said = Some(length);
        }
    }
    Ok(said)
}

/// A URL's scheme, host and port as a text that is equal where they are.
fn canonical_server(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default().to_ascii_lowercase();
    let host = url.host().unwrap_or_default().to_ascii_lowercase();
    let usual = if scheme == "https" { 443 } else { 80 };
    match url.port_u16() {
        Some(port) if port != usual => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    }
}

/// A URL as a text that is equal where the URL is: a default port and a slash at the end say nothing.
fn canonical(url: &Uri) -> String {
    format!("{}{}", canonical_server(url), url.path().trim_end_matches('/'))
}

fn is_unreadable(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
        || error.source().is_some_and(is_unreadable)
}

/// Whether a request failed because its body did not come from the client in time.
fn is_of_client(error: &(dyn Error + 'static)) -> bool {
    error.is::<SenderStalled>() || error.source().is_some_and(is_of_client)
}

fn is_time_out(error: &(dyn Error + 'static)) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::TimedOut)
        || error.source().is_some_and(is_time_out)
}

fn in_full(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

/// Removes what belongs to one connection.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let named = named.iter().filter(|name| !NEVER_HOP_BY_HOP.contains(name));
    for name in HOP_BY_HOP.iter().chain(named) {
        headers.remove(name);
    }
}

/// Requests for parts.
pub struct Ranged;

impl Ranged {
    /// A Range from there to the end.
    pub fn from(offset: u64) -> HeaderValue {
        HeaderValue::try_from(format!("bytes={offset}-")).expect("digits are a header's value")
    }

    /// The Range of the first byte.
    pub fn first_byte() -> HeaderValue {
        HeaderValue::from_static("bytes=0-0")
    }

    /// Whether it is the Range that the upstream cannot do with, not the request: stores that cannot read ranges.
    pub fn is_not_for(status: StatusCode) -> bool {
        let not_for = [
            StatusCode::BAD_REQUEST,
            StatusCode::RANGE_NOT_SATISFIABLE,
            StatusCode::NOT_IMPLEMENTED,
        ];
        not_for.contains(&status)
    }
}
