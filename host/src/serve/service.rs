//! What the parts of the service share, and the way of a client's request.

use super::admin::Guard;
use super::body::{self, Body};
use super::limits::PatientBody;
use super::metrics::Metrics;
use super::options::Options;
use super::prefetch::Prefetching;
use super::tls::Identity;
use super::upstream::Upstream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use image_cache::tokio::AsyncImageCache;
use std::sync::Arc;

/// What the parts of the service share.
pub struct Service {
    pub cache: AsyncImageCache,
    pub upstream: Upstream,
    pub options: Options,
    pub metrics: Arc<Metrics>,
    pub guard: Guard,
    /// What clients are shown, where they speak TLS.
    pub identity: Option<Arc<Identity>>,
    pub prefetching: Prefetching,
}

impl Service {
    pub fn new(cache: AsyncImageCache, options: Options) -> anyhow::Result<Service> {
        let upstream = Upstream::new(&options.origin)?;
        let guard = Guard::load(options.admin.admin_token_file.as_deref())?;
        let identity = Identity::load(&options.tls)?;
        let prefetching = Prefetching::new(&options.prefetch)?;
        let metrics = Arc::default();
        Ok(Service { cache, upstream, options, metrics, guard, identity, prefetching })
    }

    /// Reads secrets and certificates again; what is faulty stays as it was.
    pub fn reload(&self) -> anyhow::Result<()> {
        let guard = self.guard.reload();
        let identity = self.identity.as_ref().map_or(Ok(()), |identity| identity.reload());
        guard.and(identity)
    }

    /// Answers a client's request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let patience = self.options.limits.body_timeout;
        self.pass(request.map(|body| PatientBody::new(body, patience).boxed_unsync())).await
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
