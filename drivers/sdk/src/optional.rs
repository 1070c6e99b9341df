//! What a driver may do in addition: each trait is an interface that the component exports only if
//! [`export_driver!`](crate::export_driver) names it.

use crate::types::Error;
use crate::{AdmissionRequest, Decision, Driver, Event, RequestKind, Requester};

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

/// The request of a client whose tenant is not known. A driver that exports `admission` answers `is_cacheable` like `admit` with it.
pub fn client_request(image_id: String, size: Option<u64>, now: u64) -> AdmissionRequest {
    let requester = Requester { kind: RequestKind::Client, tenant: None };
    AdmissionRequest { image_id, size, now, requester }
}

/// Reads with their bytes, fetches with their cost, and removals with their reasons: `export_driver!(MyDriver, events)`.
///
/// ```
/// use image_cache_driver_sdk::prelude::*;
/// # struct Costs { records: SqlRecords }
/// # impl SqlDriver for Costs {
/// #     fn describe() -> Description { Description { name: "costs".into(), version: "1.0.0".into() } }
/// #     fn configure(options: Options) -> Result<Self, ConfigurationError> {
/// #         options.finish()?;
/// #         Ok(Costs { records: SqlRecords::open()? })
/// #     }
/// #     fn records(&mut self) -> &mut SqlRecords { &mut self.records }
/// # }
/// impl EventListener for Costs {
///     fn notify(&mut self, events: Vec<Event>) -> Result<(), Error> {
///         for event in events {
///             if let Event::Fetched(fetched) = event {
///                 metrics::add_to_counter("fetch_microseconds", &[], fetched.duration);
///             }
///         }
///         Ok(())
///     }
/// }
///
/// export_driver!(Costs, events);
/// # fn main() {}
/// ```
pub trait EventListener: Driver {
    /// Events, oldest first, after the records have changed. If this fails, the events are not sent again.
    fn notify(&mut self, events: Vec<Event>) -> Result<(), Error>;
}

/// A regular call, at most once per second: `export_driver!(MyDriver, timer)`.
///
/// ```
/// use image_cache_driver_sdk::prelude::*;
/// use image_cache_driver_sdk::transactions::{CheckedStatement, Outcome};
/// # struct Ageing { records: SqlRecords, clock: i64 }
/// # impl SqlDriver for Ageing {
/// #     fn describe() -> Description { Description { name: "ageing".into(), version: "1.0.0".into() } }
/// #     fn configure(options: Options) -> Result<Self, ConfigurationError> {
/// #         options.finish()?;
/// #         Ok(Ageing { records: SqlRecords::open()?, clock: 0 })
/// #     }
/// #     fn records(&mut self) -> &mut SqlRecords { &mut self.records }
/// # }
/// impl Timer for Ageing {
///     /// Advances the clock of all processes, unless another one has just done so.
///     fn tick(&mut self, now: u64) -> Result<(), Error> {
///         let next = self.clock + 1;
///         let statement = Statement {
///             sql: "UPDATE clock SET value = ?1 WHERE value = ?2".into(),
///             parameters: vec![Value::Integer(next), Value::Integer(self.clock)],
///         };
///         let advance = CheckedStatement { statement, expected_rows: Some(1) };
///         if let Outcome::Committed(_) = transactions::execute_checked(&[advance])? {
///             self.clock = next;
///         }
///         let pinned = pins::list_pinned(None, 1000)?.len();
///         log(Level::Debug, &format!("{pinned} images are pinned at {now}"));
///         Ok(())
///     }
/// }
///
/// export_driver!(Ageing, timer);
/// # fn main() {}
/// ```
pub trait Timer: Driver {
    /// The time is in microseconds since 1970.
    fn tick(&mut self, now: u64) -> Result<(), Error>;
}
