//! Fetches what is queued: in order, so many at a time, again where it failed, and never dying of an error.

pub(crate) mod credentials;
mod origin;
mod round;
mod state;

pub use credentials::Credentials;
pub use origin::Standing;
pub use round::{Ended, once};

use super::service::Service;
use super::signals::Stop;
use clap::Args;
use image_cache::ImageId;
use image_cache::tokio::AsyncImageCache;
use serde_json::Value;
use state::Attempts;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinSet};

/// How soon it is seen that another process changed the queue.
const LOOK: Duration = Duration::from_secs(1);

/// How queued images are fetched.
#[derive(Debug, Clone, Args)]
pub struct PrefetchSettings {
    /// So many queued images are fetched at a time; 0: none
    #[arg(long, value_name = "N", env = "IMAGE_CACHE_PREFETCH_AT_ONCE", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=64))]
    pub prefetch_at_once: u32,
    /// A file with the credentials for queued images: a token for X-Auth-Token, or headers (Name: value), one a line; read again for each image; or $IMAGE_CACHE_PREFETCH_CREDENTIALS
    #[arg(long, value_name = "FILE", env = "IMAGE_CACHE_PREFETCH_CREDENTIALS_FILE")]
    pub prefetch_credentials_file: Option<PathBuf>,
}

/// The prefetcher, for who changes the queue and who asks how it fares.
#[derive(Debug)]
pub struct Prefetching {
    credentials: Credentials,
    changed: Notify,
    attempts: Mutex<Attempts>,
}

impl Prefetching {
    pub fn new(settings: &PrefetchSettings) -> anyhow::Result<Prefetching> {
        let credentials = Credentials::new(settings.prefetch_credentials_file.clone());
        // What is faulty now is said now.
        credentials.headers()?;
        Ok(Prefetching { credentials, changed: Notify::new(), attempts: Mutex::default() })
    }

    /// The queue has changed.
    pub fn look(&self) {
        self.changed.notify_one();
    }

    /// What the upstream says of an image, asked with the prefetcher's credentials.
    pub async fn standing(&self, service: &Service, id: &str) -> Standing {
        origin::standing(service, &self.credentials, id).await
    }

    /// A JSON document of the upstream's; nothing where it does not hand it out.
    pub async fn document(&self, service: &Service, path: &str) -> Option<Value> {
        origin::document(service, &self.credentials, path).await.ok()
    }

    /// What is fetched, and what failed and why.
    pub fn as_json(&self, cache: &AsyncImageCache) -> Value {
        self.attempts().as_json(|id| cache.progress(id).ok().flatten())
    }

    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fetches what is and will be queued, until the stop.
pub async fn run(service: Arc<Service>, mut stop: Stop) {
    let mut running = Running::default();
    if service.options.prefetch.prefetch_at_once == 0 {
        return stop.wait().await;
    }
    while !stop.has_come() {
        running.look(&service).await;
        tokio::select! {
            ended = running.next() => running.settle(&service, ended),
            () = service.prefetching.changed.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = stop.wait() => {}
        }
    }
    // What was not finished stays in the queue.
    running.tasks.shutdown().await;
}

/// The fetches that run.
#[derive(Default)]
struct Running {
    tasks: JoinSet<Result<(), String>>,
    images: HashMap<Id, (ImageId, AbortHandle)>,
}

impl Running {
    /// Cancels what is not queued any more, and starts what is.
    async fn look(&mut self, service: &Arc<Service>) {
        let queued = match service.cache.run(|cache| cache.queued_images()).await {
            Ok(queued) => queued,
            Err(error) => return tracing::warn!(%error, "the queue cannot be read"),
        };
        for (image, task) in self.images.values().filter(|(image, _)| !queued.contains(image)) {
            if !task.is_finished() {
                tracing::info!(%image, "it is not queued any more");
                task.abort();
            }
        }
        service.prefetching.attempts().retain(&queued);
        let at_once = service.options.prefetch.prefetch_at_once as usize;
        for image in queued {
            let is_running = self.images.values().any(|(running, _)| *running == image);
            if self.images.len() < at_once
                && !is_running
                && service.prefetching.attempts().is_due(&image)
            {
                self.start(service, image);
            }
        }
    }

    fn start(&mut self, service: &Arc<Service>, image: ImageId) {
        service.prefetching.attempts().begin(&image);
        let (service, id) = (Arc::clone(service), image.clone());
        let task = self.tasks.spawn(async move {
            origin::fetch(&service, &service.prefetching.credentials, id.as_str()).await
        });
        self.images.insert(task.id(), (image, task));
    }

    /// The next one that has ended, by whatever cause; without a result where it was cancelled.
    async fn next(&mut self) -> (Id, Option<Result<(), String>>) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, result))) => (id, Some(result)),
            Some(Err(lost)) if lost.is_panic() => {
                (lost.id(), Some(Err("the fetch panicked".to_owned())))
            }
            Some(Err(lost)) => (lost.id(), None),
            None => std::future::pending().await,
        }
    }

    fn settle(&mut self, service: &Service, (task, result): (Id, Option<Result<(), String>>)) {
        let Some((image, _)) = self.images.remove(&task) else { return };
        let mut attempts = service.prefetching.attempts();
        match result {
            None => attempts.is_over(&image),
            Some(Ok(())) => {
                tracing::info!(%image, "fetched");
                service.metrics.prefetched.one();
                attempts.is_over(&image);
            }
            Some(Err(reason)) => {
                service.metrics.prefetch_failures.one();
                let again_in = attempts.failed(&image, reason.clone());
                tracing::warn!(%image, reason, again_in_s = again_in.as_secs(), "not fetched");
            }
        }
    }
}
