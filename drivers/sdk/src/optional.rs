//! What a driver may do in addition: each trait is an interface that the component exports only if
//! [`export_driver!`](crate::export_driver) names it.

use crate::types::Error;
use crate::{AdmissionRequest, Decision, Driver, Event};

/// Admission with the requester and with a reason: `export_driver!(MyDriver, admission)`.
///
/// The host then calls this instead of [`Driver::is_cacheable`], and a second time if the size of an image becomes known only at the
/// end of its fetch. A call may be repeated.
///
/// ```
/// use image_cache_driver_sdk::prelude::*;
/// # struct Small { records: SqlRecords }
/// # impl SqlDriver for Small {
/// #     fn describe() -> Description { Description { name: "small".into(), version: "1.0.0".into() } }
/// #     fn configure(options: Options) -> Result<Self, ConfigurationError> {
/// #         options.finish()?;
/// #         Ok(Small { records: SqlRecords::open()? })
/// #     }
/// #     fn records(&mut self) -> &mut SqlRecords { &mut self.records }
/// # }
/// impl AdmissionPolicy for Small {
///     fn admit(&mut self, request: AdmissionRequest) -> Result<Decision, Error> {
///         Ok(match request.size {
///             Some(size) if size > 1 << 30 => Decision::Refuse(format!("it has {size} bytes")),
///             _ => Decision::Admit,
///         })
///     }
/// }
///
/// export_driver!(Small, admission);
/// # fn main() {}
/// ```
pub trait AdmissionPolicy: Driver {
    /// May this image be cached?
    fn admit(&mut self, request: AdmissionRequest) -> Result<Decision, Error>;
}

/// Reads with their bytes, fetches with their cost, and removals with their reasons: `export_driver!(MyDriver, events)`.
pub trait EventListener: Driver {
    /// Events, oldest first, after the records have changed. If this fails, the events are not sent again.
    fn notify(&mut self, events: Vec<Event>) -> Result<(), Error>;
}

/// A regular call, at most once per second: `export_driver!(MyDriver, timer)`.
pub trait Timer: Driver {
    /// The time is in microseconds since 1970.
    fn tick(&mut self, now: u64) -> Result<(), Error>;
}
