//! The server of images: one pool of connections, never following a redirect.

use super::body::{self, Body};
use super::options::Origin;
use super::tls;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::time::Duration;

/// What belongs to one connection, not to the message (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// So many connections are kept open for later requests; each holds a descriptor.
const MOST_IDLE: usize = 32;

/// So many header lines an answer may have.
const MOST_HEADERS: usize = 512;

/// The server of images.
pub struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    base: Uri,
    /// Whether it is told the host that the client asked for, or its own name.
    passes_host: bool,
    patience: Duration,
}

/// Why there is no answer of the upstream.
#[derive(Debug, thiserror::Error)]
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
    /// It did not answer in time.
    #[error("the upstream does not answer")]
    TimedOut,
}

/// Says whether the end of an answer can be told from a broken connection.
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
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_max_idle_per_host(MOST_IDLE)
            // What browsers take from a server is no reason to refuse its answer (RFC 9112, 5.1 and 5.2).
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_max_headers(MOST_HEADERS)
            .build(connector);
        let (base, patience) = (origin.upstream.clone(), origin.upstream_timeout);
        Ok(Upstream { client, base, passes_host, patience })
    }

    /// Its URL.
    pub fn base(&self) -> String {
        self.base.to_string()
    }

    /// The URL of a path below the upstream's.
    fn uri(&self, path_and_query: &str) -> Result<Uri, hyper::http::Error> {
        let base = self.base.path().trim_end_matches('/');
        let target: PathAndQuery = format!("{base}{path_and_query}").parse()?;
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(target);
        Ok(Uri::from_parts(parts)?)
    }

    /// A GET with these headers. A connection that was kept open may be closed just when it is used again: then
    /// it is sent once more.
    pub async fn get(
        &self,
        target: &str,
        headers: HeaderMap,
    ) -> Result<Response<Incoming>, Failure> {
        let get = |headers| {
            let mut request = Request::new(body::empty());
            *request.headers_mut() = headers;
            request
        };
        match self.send(target, get(headers.clone())).await {
            Err(Failure::BrokeOff(_)) => self.send(target, get(headers)).await,
            answer => answer,
        }
    }

    /// Sends a request as it is, less what belongs to the connection it came by.
    pub async fn send(
        &self,
        target: &str,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, Failure> {
        *request.uri_mut() = self.uri(target).map_err(|_| Failure::Malformed)?;
        *request.version_mut() = Version::HTTP_11;
        strip(request.headers_mut());
        if !self.passes_host {
            request.headers_mut().remove(header::HOST);
        }
        // The answer to an upload comes when all of it was sent, however long that takes.
        let patience = if request.body().is_end_stream() { self.patience } else { Duration::MAX };
        let answer = tokio::time::timeout(patience, self.client.request(request)).await;
        let answer = answer.map_err(|_| Failure::TimedOut)?;
        let mut response = answer.map_err(|error| match in_full(&error) {
            _ if is_time_out(&error) => Failure::TimedOut,
            words if error.is_connect() => Failure::Unreachable(words),
            words => Failure::BrokeOff(words),
        })?;
        let headers = response.headers();
        let is_framed = headers.contains_key(header::TRANSFER_ENCODING)
            || headers.contains_key(header::CONTENT_LENGTH);
        strip(response.headers_mut());
        *response.version_mut() = Version::HTTP_11;
        response.extensions_mut().insert(IsFramed(is_framed));
        Ok(response)
    }
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
    for name in HOP_BY_HOP.iter().chain(&named) {
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
