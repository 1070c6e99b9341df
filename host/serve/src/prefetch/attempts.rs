//! The attempts to fetch each queued image: when the next one is due, and why the last one failed.

use image_cache::{FetchProgress, ImageId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The wait after the first failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(2);

/// The longest wait.
const LONGEST_BACKOFF: Duration = Duration::from_secs(15 * 60);

/// The attempts to fetch each queued image.
#[derive(Debug, Default)]
pub struct Attempts(BTreeMap<ImageId, Attempt>);

#[derive(Debug, Default)]
struct Attempt {
    running: bool,
    failures: u32,
    reason: Option<String>,
    again: Option<Instant>,
}

impl Attempts {
    /// Whether the image is due for a fetch.
    pub fn is_due(&self, image: &ImageId) -> bool {
        let again = self.0.get(image).and_then(|attempt| attempt.again);
        again.is_none_or(|again| again <= Instant::now())
    }

    /// The fetch of the image has started.
    pub fn begin(&mut self, image: &ImageId) {
        self.0.entry(image.clone()).or_default().running = true;
    }

    /// The image is in the cache, or is not queued any more.
    pub fn remove(&mut self, image: &ImageId) {
        self.0.remove(image);
    }

    /// Records a failure with its reason; returns when the next attempt is due.
    pub fn record_failure(&mut self, image: &ImageId, reason: String) -> Duration {
        let attempt = self.0.entry(image.clone()).or_default();
        let wait = backoff(attempt.failures);
        *attempt = Attempt {
            running: false,
            failures: attempt.failures.saturating_add(1),
            reason: Some(reason),
            again: Some(Instant::now() + wait),
        };
        wait
    }

    /// Forgets images that are not queued any more: if such an image is queued again, it is fetched at once.
    pub fn retain(&mut self, queued: &[ImageId]) {
        self.0.retain(|image, attempt| attempt.running || queued.contains(image));
    }

    /// The running fetches, and the failed ones.
    pub fn as_json(&self, progress: impl Fn(&str) -> Option<FetchProgress>) -> Value {
        let running = self.0.iter().filter(|(_, attempt)| attempt.running).map(|(image, _)| {
            let progress = progress(image.as_str());
            json!({
                "image_id": image.as_str(),
                "bytes": progress.map(|progress| progress.bytes),
                "size": progress.and_then(|progress| progress.size),
            })
        });
        let failed = self.0.iter().filter(|(_, attempt)| attempt.reason.is_some());
        let failed = failed.map(|(image, attempt)| {
            let again = attempt.again.map(|at| at.saturating_duration_since(Instant::now()));
            json!({
                "image_id": image.as_str(),
                "failures": attempt.failures,
                "reason": attempt.reason,
                "again_in": again.map(|again| again.as_secs_f64()),
            })
        });
        json!({"running": running.collect::<Value>(), "failed": failed.collect::<Value>()})
    }
}

/// How long to wait after a failure that follows this many others.
pub fn backoff(failures: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(1 << failures.min(16)).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_failures_make_attempts_less_frequent() {
        let pauses: Vec<u64> = (0..12).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(pauses[..4], [2, 4, 8, 16]);
        assert_eq!((pauses[11], backoff(u32::MAX)), (900, LONGEST_BACKOFF));
    }

    #[test]
    fn a_failed_image_has_its_reason_until_it_succeeds_or_leaves_the_queue() {
        let image: ImageId = "a".parse().expect("a plain name is an id");
        let mut attempts = Attempts::default();
        attempts.begin(&image);
        assert_eq!(attempts.record_failure(&image, "gone".to_owned()), FIRST_BACKOFF);
        assert!(!attempts.is_due(&image));
        assert_eq!(attempts.as_json(|_| None)["failed"][0]["reason"], "gone");
        attempts.retain(std::slice::from_ref(&image));
        assert!(!attempts.is_due(&image));
        attempts.retain(&[]);
        assert!(attempts.is_due(&image));
        assert_eq!(attempts.as_json(|_| None), json!({"running": [], "failed": []}));
    }
}
