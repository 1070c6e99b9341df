//! What the parts of the service share, and the way of a client's request.

use super::admin::Guard;
use super::answer::{bypassed, refuse};
use super::background_fetches::{BackgroundFetch, BackgroundFetches};
use super::body::Body;
use super::cache_status::{CacheStatus, Reason};
use super::collapsing::Collapsing;
use super::consent::Consents;
use super::fetch::{Ask, Repair};
use super::hit::Hit;
use super::label::{Label, Moment};
use super::labels::Labels;
use super::metrics::Metrics;
use super::options::{Options, Profile};
use super::plain::KnownCredentials;
use super::prefetch::Prefetching;
use super::request_fields::RequestFields;
use super::tls::Identity;
use super::upstream::{Failure, Upstream};
use super::{body, glance, plain};
use anyhow::Context;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
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
    pub labels: Arc<Labels>,
    /// Requests that wait for what another one is told.
    pub collapsing: Collapsing,
    /// Which fields a shared fetch carries, and which make a request personal.
    pub fields: RequestFields,
    /// Which parameters of a query make a request personal.
    pub credentials: KnownCredentials,
    pub consents: Consents,
    /// Fetches that requests for a part began.
    pub background_fetches: BackgroundFetches,
}

impl Service {
    /// The right to fetch all of an image of which a part is wanted, where that is wanted and there is room for it.
    pub fn room_for_fetch_on_range(&self) -> Option<BackgroundFetch> {
        self.options.fetch_on_range.then(|| self.background_fetches.try_begin()).flatten()
    }

    pub async fn new(cache: AsyncImageCache, options: Options) -> anyhow::Result<Service> {
        let passes_host = options.origin.profile == Profile::Glance;
        let upstream = Upstream::new(&options.origin, passes_host)?;
        let guard = Guard::load(options.admin.admin_token_file.as_deref())?;
        let identity = Identity::load(&options.tls)?;
        let prefetching = Prefetching::new(&options.prefetch)?;
        let labels = cache.run(|cache| Ok(Labels::of(cache))).await?;
        let labels = labels.context("cannot use .image-cache/http in the cache directory")?;
        let labels = Arc::new(labels);
        let consents = Consents::held_for(options.authorise_for);
        let (collapsing, metrics) = (Collapsing::default(), Arc::default());
        let sharing = &options.sharing;
        let (profile, authorises) = (options.origin.profile, options.authorises());
        let fields = RequestFields::new(profile, authorises, sharing);
        let credentials = KnownCredentials::with(&sharing.credential_query);
        let background_fetches = BackgroundFetches::new(options.fetch_on_range_at_once);
        Ok(Service {
            cache,
            upstream,
            options,
            metrics,
            guard,
            identity,
            prefetching,
            labels,
            collapsing,
            fields,
            credentials,
            consents,
            background_fetches,
        })
    }

    /// Reads secrets and certificates again; what is faulty stays as it was.
    pub fn reload(&self) -> anyhow::Result<()> {
        let guard = self.guard.reload();
        let identity = self.identity.as_ref().map_or(Ok(()), |identity| identity.reload());
        guard.and(identity)
    }

    /// Answers a request that is well formed.
    pub async fn respond(self: &Arc<Self>, request: Request<Body>) -> Response<Body> {
        match self.options.origin.profile {
            Profile::Glance => glance::answer(self, request).await,
            Profile::Plain => plain::answer(self, request).await,
        }
    }

    /// Hands a request on to the upstream, and its answer back.
    pub async fn pass(&self, request: Request<Body>) -> Response<Body> {
        let target = target(&request).to_owned();
        match self.upstream.send(&target, request).await {
            Ok(response) => self.passing(response),
            Err(failure) => failed(&failure),
        }
    }

    /// An answer of the upstream's, as it comes, as long as it comes.
    pub fn passing(&self, response: Response<Incoming>) -> Response<Body> {
        let patience = self.options.origin.upstream_timeout;
        response.map(|body| body::passing_within(body, patience))
    }

    /// Hands a request for an image on to the upstream, past the cache.
    pub async fn bypass(&self, reason: Reason, head: Parts) -> Response<Body> {
        bypassed(reason, self.pass(Request::from_parts(head, body::empty())).await)
    }

    /// A cached image, or that the client has it already.
    pub fn answer_with(
        self: &Arc<Self>,
        status: CacheStatus,
        hit: Hit,
        ask: &Ask,
        head: &Parts,
    ) -> Response<Body> {
        if hit.label.is_known_to(&head.headers) {
            return hit.not_modified(status);
        }
        let (service, ask, label) = (Arc::clone(self), ask.clone(), Arc::clone(&hit.label));
        hit.answer(status, Repair { service, ask, label })
    }

    /// An image is not to be served any more.
    pub async fn evict(&self, id: &str) {
        let (id, labels) = (id.to_owned(), Arc::clone(&self.labels));
        let evicted = self.cache.run(move |cache| {
            labels.doom(&id);
            let was_there = cache.delete_cached_image(&id)?;
            if was_there {
                tracing::info!(image = %id, "evicted: the upstream has it no more, or another one");
            }
            Ok(())
        });
        if let Err(error) = evicted.await {
            tracing::warn!(%error, "an image that is not to be served cannot be evicted");
        }
    }

    /// What is stored of an image has to be confirmed before its next use; what a running fetch of it brings is thrown away.
    pub async fn invalidate(&self, id: &str) {
        let (id, labels) = (id.to_owned(), Arc::clone(&self.labels));
        let invalidated = self.cache.run(move |_| {
            labels.invalidate(&id);
            Ok(())
        });
        // A runtime that stops serves nothing any more.
        let _ = invalidated.await;
    }

    /// An image turned out to be another one than the upstream's: it leaves the cache, unless it was replaced already.
    pub async fn evict_this(&self, id: &str, label: &Arc<Label>) {
        let (id, labels, label) = (id.to_owned(), Arc::clone(&self.labels), Arc::clone(label));
        let evicted = self.cache.run(move |cache| {
            if labels.expected(&id).is_some() {
                return Ok(());
            }
            let modified = cache.open_for_read(&id)?.and_then(|reader| reader.modified().ok());
            if modified.map(Moment::from) == label.modified {
                tracing::info!(image = %id, "evicted: the upstream has another one");
                cache.delete_cached_image(&id)?;
                labels.doom(&id);
            }
            Ok(())
        });
        if let Err(error) = evicted.await {
            tracing::warn!(%error, "an image that is not to be served cannot be evicted");
        }
    }

    /// Whether a fetch of the image runs in this process.
    pub fn is_being_fetched(&self, id: &str) -> bool {
        matches!(self.cache.progress(id), Ok(Some(_)))
    }
}

/// Path and query of a request.
pub fn target<B>(request: &Request<B>) -> &str {
    request.uri().path_and_query().map_or("/", |target| target.as_str())
}

/// What a client is told when the upstream does not answer.
pub fn failed(failure: &Failure) -> Response<Body> {
    match failure {
        Failure::Malformed => refuse(StatusCode::BAD_REQUEST, "the path is malformed\n"),
        Failure::Unreachable(reason) | Failure::BrokeOff(reason) | Failure::Unreadable(reason) => {
            tracing::warn!(reason, "the upstream cannot be reached");
            refuse(StatusCode::BAD_GATEWAY, "the upstream cannot be reached\n")
        }
        Failure::ClientStalled => {
            tracing::debug!("a client does not send the rest of its request in time");
            let words = "the rest of the request did not come in time\n";
            let mut response = refuse(StatusCode::REQUEST_TIMEOUT, words);
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
            response
        }
        Failure::TimedOut => {
            tracing::warn!("the upstream does not answer in time");
            refuse(StatusCode::GATEWAY_TIMEOUT, "the upstream does not answer in time\n")
        }
    }
}

/// Why an image has to come past the cache.
pub fn log_bypass(ask: &Ask, error: &image_cache::Error) {
    tracing::warn!(image = %ask.id, %error, "the cache cannot serve it; it comes from the upstream");
}
