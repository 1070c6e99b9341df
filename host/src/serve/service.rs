//! What the parts of the service share, and the way of a client's request.

use super::body::{self, Body};
use super::metrics::Metrics;
use super::options::Options;
use super::upstream::Upstream;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use image_cache::tokio::AsyncImageCache;

/// What the parts of the service share.
pub struct Service {
    pub cache: AsyncImageCache,
    pub upstream: Upstream,
    pub options: Options,
    pub metrics: Metrics,
}

impl Service {
    pub fn new(cache: AsyncImageCache, options: Options) -> anyhow::Result<Service> {
        let upstream = Upstream::new(&options.origin)?;
        Ok(Service { cache, upstream, options, metrics: Metrics::default() })
    }

    /// Answers a client's request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self.pass(request.map(body::passing)).await
    }

    /// Hands a request on to the upstream, and its answer back.
    async fn pass(&self, mut request: Request<Body>) -> Response<Body> {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        match self.upstream.uri(target) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return refuse(StatusCode::BAD_REQUEST, "the path is malformed\n"),
        }
        match self.upstream.send(request).await {
            Ok(response) => response.map(body::passing),
            Err(error) => {
                tracing::warn!(%error, "the upstream cannot be reached");
                refuse(StatusCode::BAD_GATEWAY, "the upstream cannot be reached\n")
            }
        }
    }
}

/// An answer of our own.
pub fn refuse(status: StatusCode, words: &'static str) -> Response<Body> {
    let mut response = Response::new(body::full(words));
    *response.status_mut() = status;
    response
}
