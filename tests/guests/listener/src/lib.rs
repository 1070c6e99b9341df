//! Counts, as metrics, what the host tells and asks it through the interfaces that a driver may export.
//!
//! Options: `refuse-from` refuses images of this many bytes and more; `fail` names an interface whose calls return an error;
//! `statement` is an SQL text that each choice of victims executes.

use image_cache_driver_sdk::prelude::*;

struct Listener {
    records: SqlRecords,
    refuse_from: Option<u64>,
    fail: Option<String>,
    statement: Option<String>,
}

impl SqlDriver for Listener {
    fn describe() -> Description {
        Description { name: "listener".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let refuse_from = options.take_parsed("refuse-from", "a number of bytes")?;
        let fail = options.take("fail");
        let statement = options.take("statement");
        options.finish()?;
        Ok(Listener { records: SqlRecords::open()?, refuse_from, fail, statement })
    }

    fn records(&mut self) -> &mut SqlRecords {
        &mut self.records
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        if let Some(text) = &self.statement {
            sql::execute(&statement(text, Vec::new()))?;
        }
        let pinned = pins::list_pinned(None, 100)?.len();
        metrics::set_gauge("pinned", &[], pinned as f64);
        note_capacity();
        self.records.victims(request, "last_accessed, image_id")
    }
}

/// What the interface `capacity` tells during a choice of victims.
fn note_capacity() {
    let limits = capacity::get_limits();
    metrics::set_gauge("limit_bytes", &[], limits.bytes as f64);
    metrics::set_gauge("limit_images", &[], limits.images.map_or(-1.0, |images| images as f64));
    if let Some(usage) = capacity::get_usage() {
        metrics::set_gauge("used_bytes", &[], usage.bytes as f64);
        metrics::set_gauge("used_images", &[], usage.images as f64);
    }
}

/// The usage is told during a choice of victims only.
fn note_usage_elsewhere() {
    if capacity::get_usage().is_some() {
        metrics::add_to_counter("usage_elsewhere", &[], 1);
    }
}

impl Listener {
    fn fails(&self, interface: &str) -> Result<(), Error> {
        match self.fail.as_deref() {
            Some(failing) if failing == interface => Err(Error::Other("as configured".into())),
            _ => Ok(()),
        }
    }
}

fn requester(requester: &Requester) -> [(String, String); 2] {
    let kind = match requester.kind {
        RequestKind::Client => "client",
        RequestKind::Follower => "follower",
        RequestKind::Prefetch => "prefetch",
        RequestKind::Add => "add",
    };
    let tenant = requester.tenant.clone().unwrap_or_default();
    [("kind".into(), kind.into()), ("tenant".into(), tenant)]
}

impl AdmissionPolicy for Listener {
    fn admit(&mut self, request: AdmissionRequest) -> Result<Decision, Error> {
        self.fails("admission")?;
        note_usage_elsewhere();
        let size = if request.size.is_some() { "known" } else { "unknown" };
        let mut labels = requester(&request.requester).to_vec();
        labels.push(("size".into(), size.into()));
        metrics::add_to_counter("asked", &labels, 1);
        Ok(match (self.refuse_from, request.size) {
            (Some(from), Some(size)) if size >= from => {
                Decision::Refuse(format!("{size} bytes are {} too many\u{7}", size - from + 1))
            }
            _ => Decision::Admit,
        })
    }
}

impl EventListener for Listener {
    fn notify(&mut self, events: Vec<Event>) -> Result<(), Error> {
        self.fails("events")?;
        note_usage_elsewhere();
        for event in events {
            match event {
                Event::Read(read) => {
                    let labels = requester(&read.requester);
                    metrics::add_to_counter("reads", &labels, 1);
                    metrics::add_to_counter("read_bytes", &labels, read.bytes);
                }
                Event::Fetched(fetched) => {
                    let labels = requester(&fetched.requester);
                    metrics::add_to_counter("fetched_bytes", &labels, fetched.bytes);
                    metrics::set_gauge("fetch_micros", &[], fetched.duration as f64);
                }
                Event::NotCached(failed) => {
                    let labels = requester(&failed.requester);
                    metrics::add_to_counter("not_cached_bytes", &labels, failed.bytes);
                }
                Event::Removed(removed) => {
                    let reason = match removed.reason {
                        RemovalReason::Evicted => "evicted",
                        RemovalReason::Deleted => "deleted",
                        RemovalReason::Damaged => "damaged",
                        RemovalReason::Replaced => "replaced",
                        RemovalReason::Missing => "missing",
                    };
                    metrics::add_to_counter("removed", &[("reason".into(), reason.into())], 1);
                }
            }
        }
        Ok(())
    }
}

impl Timer for Listener {
    fn tick(&mut self, _: u64) -> Result<(), Error> {
        self.fails("timer")?;
        metrics::add_to_counter("ticks", &[], 1);
        Ok(())
    }
}

export_driver!(Listener, admission, events, timer);
