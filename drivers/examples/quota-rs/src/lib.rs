//! Quotas by tenant: an image is cached only while the tenant that requests it has room in its quota. The order of eviction is LRU.
//!
//! It uses most of what WIT 1.1 adds: the tenant of a request, a reason for each refusal, the second question when a size becomes
//! known, events, a timer, checked transactions and metrics.

mod options;
mod shares;

use image_cache_driver_sdk::prelude::*;
use options::Quotas;
use shares::Shares;

/// The driver. An instance keeps nothing in memory that it cannot rebuild.
struct Quota {
    records: SqlRecords,
    shares: Shares,
    quotas: Quotas,
}

impl SqlDriver for Quota {
    fn describe() -> Description {
        Description { name: "quota".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let quotas = Quotas::take(&mut options)?;
        options.finish()?;
        Ok(Quota { records: SqlRecords::open()?, shares: Shares::open()?, quotas })
    }

    fn records(&mut self) -> &mut SqlRecords {
        &mut self.records
    }

    /// The share is confirmed and released with the record: an event can be lost, these calls cannot.
    fn record_cached(&mut self, image: CachedImage) -> Result<(), Error> {
        self.shares.confirm(&image.image_id, image.size)?;
        self.records.record(image)
    }

    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        self.shares.release(&image_ids)?;
        self.records.forget(image_ids)
    }
}

impl AdmissionPolicy for Quota {
    /// Reserves the tenant's share. If the size is not known yet, the host asks again when it is.
    fn admit(&mut self, request: AdmissionRequest) -> Result<Decision, Error> {
        let (Some(tenant), Some(size)) = (&request.requester.tenant, request.size) else {
            return Ok(Decision::Admit);
        };
        let Some(quota) = self.quotas.of(tenant) else { return Ok(Decision::Admit) };
        if self.shares.reserve(&request.image_id, tenant, size, quota, request.now)? {
            return Ok(Decision::Admit);
        }
        let shown = if self.quotas.names(tenant) { tenant } else { OTHERS };
        metrics::add_to_counter("quota_refusals", &[label(shown)], 1);
        let used = self.shares.used(tenant)?;
        Ok(Decision::Refuse(format!(
            "the tenant uses {used} of {quota} bytes, and the image has {size}"
        )))
    }
}

impl EventListener for Quota {
    /// A fetch that failed gives its reservation back. If the event is lost, the timer does that later.
    fn notify(&mut self, events: Vec<Event>) -> Result<(), Error> {
        for event in events {
            if let Event::NotCached(failed) = event {
                self.shares.cancel(&failed.image_id)?;
            }
        }
        Ok(())
    }
}

impl Timer for Quota {
    /// Drops reservations of processes that were killed, and measures the tenants that the options name.
    fn tick(&mut self, now: u64) -> Result<(), Error> {
        self.shares.drop_stale(now)?;
        for tenant in self.quotas.named().take(MEASURED) {
            let used = self.shares.used(tenant)?;
            metrics::set_gauge("quota_used_bytes", &[label(tenant)], used as f64);
        }
        Ok(())
    }
}

/// Tenants that are measured: the number of a driver's series is limited.
const MEASURED: usize = 90;

/// The tenants that no option names, as one label.
const OTHERS: &str = "others";

/// The label of a tenant, within the limit of a label's value.
fn label(tenant: &str) -> (String, String) {
    let end = (0..=tenant.len().min(64)).rev().find(|end| tenant.is_char_boundary(*end));
    ("tenant".into(), tenant[..end.unwrap_or(0)].into())
}

export_driver!(Quota, admission, events, timer);

#[cfg(test)]
mod tests;
