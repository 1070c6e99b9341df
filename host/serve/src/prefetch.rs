//! Fetches queued images in order, several at a time, and retries those that failed.

mod attempts;
pub(crate) mod credentials;
mod queue;
mod round;
mod state;
mod upstream;

pub use round::{PrefetchedImage, once};
pub use state::PrefetchState;
pub use upstream::{UpstreamStatus, document, upstream_status};

use super::service::Service;
use super::signals::Stop;
use image_cache::ImageId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, Id, JoinSet};

/// How often the queue is read, because another process may have changed it.
const QUEUE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Fetches queued images until the stop.
pub async fn run(service: Arc<Service>, mut stop: Stop) {
    let mut running = RunningFetches::default();
    if service.options.prefetch.prefetch_at_once == 0 {
        return stop.wait().await;
    }
    while !stop.has_come() {
        running.schedule(&service).await;
        tokio::select! {
            ended = running.next() => running.finish(&service, ended),
            () = service.prefetch.queue_changed.notified() => {}
            () = tokio::time::sleep(QUEUE_CHECK_INTERVAL) => {}
            () = stop.wait() => {}
        }
    }
    // An image whose fetch was cancelled stays in the queue.
    running.tasks.shutdown().await;
}

/// The running fetches.
#[derive(Default)]
struct RunningFetches {
    tasks: JoinSet<Result<(), String>>,
    images: HashMap<Id, (ImageId, AbortHandle)>,
}

impl RunningFetches {
    /// Cancels fetches of images that left the queue, and starts those that are due.
    async fn schedule(&mut self, service: &Arc<Service>) {
        let queued = match queue::queued(service).await {
            Ok(queued) => queued,
            Err(error) => return tracing::warn!(%error, "the queue cannot be read"),
        };
        for (image, task) in self.images.values().filter(|(image, _)| !queued.contains(image)) {
            if !task.is_finished() {
                tracing::info!(%image, "the image is not queued any more");
                task.abort();
            }
        }
        service.prefetch.attempts().retain(&queued);
        let at_once = service.options.prefetch.prefetch_at_once as usize;
        for image in queued {
            let is_running = self.images.values().any(|(running, _)| *running == image);
            if self.images.len() < at_once
                && !is_running
                && service.prefetch.attempts().is_due(&image)
            {
                self.start(service, image);
            }
        }
    }

    fn start(&mut self, service: &Arc<Service>, image: ImageId) {
        service.prefetch.attempts().begin(&image);
        let (service, id) = (Arc::clone(service), image.clone());
        let task = self.tasks.spawn(async move { upstream::fetch(&service, id.as_str()).await });
        self.images.insert(task.id(), (image, task));
    }

    /// The next fetch that has ended; without a result if it was cancelled.
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

    /// Records the result of a fetch.
    fn finish(&mut self, service: &Service, (task, result): (Id, Option<Result<(), String>>)) {
        let Some((image, _)) = self.images.remove(&task) else { return };
        let mut attempts = service.prefetch.attempts();
        match result {
            None => attempts.remove(&image),
            Some(Ok(())) => {
                tracing::info!(%image, "fetched");
                service.metrics.prefetched.inc();
                attempts.remove(&image);
            }
            Some(Err(reason)) => {
                service.metrics.prefetch_failures.inc();
                let again_in = attempts.record_failure(&image, reason.clone());
                tracing::warn!(%image, reason, again_in_s = again_in.as_secs(), "the image was not fetched");
            }
        }
    }
}
