//! Replays a trace of requests through drivers of image-cache, and through reference policies beside them.
//!
//! A driver is simulated as the component that a cache would load: with the same interfaces, limits and sandbox. Only what is
//! behind the interfaces differs: images have no bytes, the database is in memory, and the time is that of the trace.
//!
//! ```
//! use image_cache_model::Config;
//! use image_cache_simulate::{Policy, Reference, Trace, TraceOptions, simulate};
//! let csv = "time,id,size\n1,a,10\n2,b,10\n3,a,10\n";
//! let trace = Trace::read(csv.as_bytes(), &TraceOptions::default())?;
//! let outcome = simulate(&trace, &mut *Reference::Lru.policy(&trace, 20), 20)?;
//! assert_eq!((outcome.requests, outcome.hits), (3, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(missing_docs)]

mod component;
mod plot;
mod policy;
mod reference;
mod replay;
mod trace;

pub use component::ComponentPolicy;
pub use plot::{Curve, plot};
pub use policy::{Policy, PolicyError};
pub use reference::Reference;
pub use replay::{Outcome, simulate};
pub use trace::{
    Columns, InvalidColumns, Request, TimeUnit, Trace, TraceError, TraceFormat, TraceOptions,
};
