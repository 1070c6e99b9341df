//! The server of images: one pool of connections, never following a redirect.

use super::body::Body;
use super::options::Origin;
use super::tls;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// Without an answer to a connection attempt for so long, the upstream counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What belongs to one connection, not to the message (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The server of images.
pub struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    base: Uri,
}

impl Upstream {
    pub fn new(origin: &Origin) -> anyhow::Result<Upstream> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(origin)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(connector);
        Ok(Upstream { client, base: origin.upstream.clone() })
    }

    /// The URL of a path below the upstream's.
    pub fn uri(&self, path_and_query: &str) -> Result<Uri, hyper::http::Error> {
        let base = self.base.path().trim_end_matches('/');
        let target: PathAndQuery = format!("{base}{path_and_query}").parse()?;
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(target);
        Ok(Uri::from_parts(parts)?)
    }

    /// Sends a request as it is, less what belongs to the connection it came by.
    pub async fn send(
        &self,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        strip(request.headers_mut());
        let mut response = self.client.request(request).await?;
        strip(response.headers_mut());
        Ok(response)
    }
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
