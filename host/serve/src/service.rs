//! The state that all parts of the service share, and forwarding to the upstream.

use super::admin_token::AdminToken;
use super::auth_cache::AuthCache;
use super::body;
use super::body::Body;
use super::cache_status::Reason;
use super::log_limit::LogLimit;
use super::metrics::ServeMetrics;
use super::options::{OptionError, Options, Profile};
use super::plain::KnownCredentials;
use super::prefetch::{PrefetchState, credentials};
use super::request_fields::RequestFields;
use super::request_trace::RequestTrace;
use super::response::{bypassed, upstream_failed};
use super::response_store::ResponseStore;
use super::timeout_body::with_timeout;
use super::tls::ServerCertificate;
use super::upstream::Upstream;
use anyhow::Context;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, Response};
use image_cache::tokio::AsyncImageCache;
use image_cache::{DriverStatus, ImageCache, names};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The state that all parts of the service share: the cache, the upstream, the options, and what is remembered between requests.
///
/// The listeners, the prefetcher and the maintenance each have a handle; the last one that is dropped closes the cache. Code that may
/// block runs through [`run`](Self::run), never on a thread of the runtime.
pub struct Service {
    pub cache: AsyncImageCache,
    pub upstream: Upstream,
    pub options: Options,
    pub metrics: Arc<ServeMetrics>,
    /// The trace of the clients' requests, if they are recorded.
    pub trace: Option<RequestTrace>,
    pub admin_token: AdminToken,
    /// The certificate of the listeners, if they use TLS.
    pub certificate: Option<Arc<ServerCertificate>>,
    pub prefetch: PrefetchState,
    pub responses: Arc<ResponseStore>,
    /// Which fields a shared fetch forwards, and which make a request personal.
    pub fields: RequestFields,
    /// Which parameters of a query make a request personal.
    pub credentials: KnownCredentials,
    pub auth_cache: AuthCache,
    /// The permits for fetches of whole images that range requests start.
    background_fetches: Arc<Semaphore>,
    /// Limits the log lines about refused requests, on both listeners.
    pub refusals: LogLimit,
    /// Held while something is loaded again.
    reloading: tokio::sync::Mutex<()>,
}

impl Service {
    pub async fn new(cache: AsyncImageCache, options: Options) -> anyhow::Result<Service> {
        let responses = cache.run(|cache| Ok(ResponseStore::open(cache))).await?;
        let unusable = || format!("cannot use {} in the cache directory", names::RESPONSES);
        let responses = responses.with_context(unusable)?;
        // Invalid credentials are an error at the start.
        let prefetch_credentials = options.prefetch.prefetch_credentials_file.as_deref();
        OptionError::checked(credentials::headers(prefetch_credentials))?;
        let admin_token = AdminToken::load(options.admin.admin_token_file.as_deref());
        Ok(Service {
            upstream: OptionError::checked(Upstream::new(&options.origin))?,
            metrics: Arc::default(),
            trace: OptionError::checked(RequestTrace::open(&options.record))?,
            admin_token: OptionError::checked(admin_token)?,
            certificate: OptionError::checked(ServerCertificate::load(&options.tls))?,
            prefetch: PrefetchState::default(),
            responses: Arc::new(responses),
            fields: RequestFields::new(&options),
            credentials: KnownCredentials::with(&options.sharing.credential_query),
            auth_cache: AuthCache::new(options.authorise_for),
            background_fetches: Arc::new(Semaphore::new(options.fetch_on_range_at_once as usize)),
            refusals: LogLimit::default(),
            reloading: tokio::sync::Mutex::default(),
            cache,
            options,
        })
    }

    /// Reads secrets and certificates again, and loads the driver again; what is invalid does not change the old one. Logs the
    /// results.
    pub async fn reload(&self) {
        let one_at_a_time = self.reloading.lock().await;
        let token = self.admin_token.reload();
        let certificate = self.certificate.as_ref().map_or(Ok(()), |it| it.reload());
        match token.and(certificate) {
            Ok(()) => tracing::warn!("read secrets and certificates again"),
            Err(error) => {
                tracing::error!(
                    "a secret or certificate is invalid and stays as it was: {error:#}"
                );
            }
        }
        drop(one_at_a_time);
        // Its error is logged.
        let _ = self.reload_driver().await;
    }

    /// Loads the driver again; if it cannot be loaded, the driver in use stays. A failure is logged with every reason.
    pub async fn reload_driver(&self) -> image_cache::Result<DriverStatus> {
        let _one_at_a_time = self.reloading.lock().await;
        match self.cache.run(ImageCache::reload_driver).await {
            Ok(driver) => {
                tracing::warn!(
                    driver = driver.name,
                    version = driver.version,
                    "loaded the driver again"
                );
                Ok(driver)
            }
            Err(error) => {
                tracing::error!(%error, "the driver cannot be loaded again; the one in use stays");
                Err(error)
            }
        }
    }

    /// Whether an image's id shows a credential, which then appears in each list and log.
    pub fn shows_credential(&self, id: &str) -> bool {
        self.options.origin.profile == Profile::Plain && self.credentials.are_in_id(id)
    }

    /// The permit to fetch a whole image for a range request, if the options allow it and the limit is not reached.
    pub fn try_fetch_on_range(&self) -> Option<OwnedSemaphorePermit> {
        let permits = self.options.fetch_on_range.then(|| Arc::clone(&self.background_fetches));
        permits?.try_acquire_owned().ok()
    }

    /// Forwards a request to the upstream, and returns its response.
    pub async fn pass(&self, request: Request<Body>) -> Response<Body> {
        let target = target(&request).to_owned();
        match self.upstream.send(&target, request).await {
            Ok(response) => self.passing(response),
            Err(error) => upstream_failed(&error),
        }
    }

    /// A response of the upstream, for a client: its body is read with the upstream's timeout.
    pub fn passing(&self, response: Response<Incoming>) -> Response<Body> {
        let timeout = self.options.origin.upstream_timeout;
        response.map(|body| with_timeout(body, timeout, None))
    }

    /// Forwards a request for an image to the upstream and bypasses the cache.
    pub async fn bypass(&self, reason: Reason, head: Parts) -> Response<Body> {
        bypassed(reason, self.pass(Request::from_parts(head, body::empty())).await)
    }

    /// Runs a function that may block, with the stored responses, the cache and the id of an image.
    pub async fn run<T: Send + 'static>(
        &self,
        id: &str,
        work: impl FnOnce(&ResponseStore, &ImageCache, &str) -> image_cache::Result<T> + Send + 'static,
    ) -> image_cache::Result<T> {
        let (id, responses) = (id.to_owned(), Arc::clone(&self.responses));
        self.cache.run(move |cache| work(&responses, cache, &id)).await
    }

    /// Whether a fetch of the image runs in this process.
    pub fn is_being_fetched(&self, id: &str) -> bool {
        matches!(self.cache.progress(id), Ok(Some(_)))
    }
}

/// The path and query of a request.
pub fn target<B>(request: &Request<B>) -> &str {
    request.uri().path_and_query().map_or("/", |target| target.as_str())
}

/// Logs why the cache does not serve an image.
pub fn log_bypass(id: &str, error: &image_cache::Error) {
    tracing::warn!(image = %id, %error, "the cache cannot serve the image; the upstream does");
}
