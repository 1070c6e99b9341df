//! Write a driver of image-cache in Rust: one trait, one macro, and the types of the WIT interface.
//!
//! A driver keeps the *books* of the cache (hits, ages, sizes) and its *policy* (what is cacheable, what is evicted first,
//! what cleaning removes). It is a `cdylib` crate, compiled for `wasm32-unknown-unknown` and turned into a component. The
//! contract is in the `.wit` files, and each item here carries its words from there.
//!
//! # A complete driver
//!
//! This one keeps its books in SQL and evicts the largest image first:
//!
//! ```
//! use image_cache_driver_sdk::prelude::*;
//!
//! const COLUMNS: &str = "id, size, hits, accessed, modified";
//!
//! struct LargestFirst;
//!
//! impl Driver for LargestFirst {
//!     fn describe() -> Description {
//!         Description { name: "largest-first".into(), version: env!("CARGO_PKG_VERSION").into() }
//!     }
//!
//!     fn configure(options: Options) -> Result<Self, ConfigurationError> {
//!         options.finish()?; // It takes none: any that is there is refused by name.
//!         let table = "CREATE TABLE IF NOT EXISTS images \
//!                      (id TEXT PRIMARY KEY, size INTEGER, hits INTEGER, accessed INTEGER, modified INTEGER)";
//!         sql::execute(&statement(table, vec![])).map_err(|e| ConfigurationError::Other(error_words(&e).into()))?;
//!         Ok(LargestFirst)
//!     }
//!
//!     fn record_cached(&mut self, image: CachedImage) -> Result<(), Error> {
//!         let row = vec![
//!             Value::Text(image.image_id),
//!             integer(image.size),
//!             integer(image.hits),
//!             integer(image.last_accessed),
//!             integer(image.last_modified),
//!         ];
//!         sql::execute(&statement("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?)", row)).map(drop)
//!     }
//!
//!     fn record_hits(&mut self, hits: Vec<Hit>) -> Result<(), Error> {
//!         let text = "UPDATE images SET hits = hits + 1, accessed = max(accessed, ?2) WHERE id = ?1";
//!         let update = |hit: Hit| statement(text, vec![Value::Text(hit.image_id), integer(hit.at)]);
//!         sql::execute_all(&hits.into_iter().map(update).collect::<Vec<_>>()).map(drop)
//!     }
//!
//!     fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
//!         let delete = |id| statement("DELETE FROM images WHERE id = ?", vec![Value::Text(id)]);
//!         sql::execute_all(&image_ids.into_iter().map(delete).collect::<Vec<_>>()).map(drop)
//!     }
//!
//!     fn cached_image(&mut self, image_id: String) -> Result<Option<CachedImage>, Error> {
//!         let text = format!("SELECT {COLUMNS} FROM images WHERE id = ?");
//!         Ok(images(&text, vec![Value::Text(image_id)])?.pop())
//!     }
//!
//!     fn cached_images(&mut self, after: Option<String>, limit: u32) -> Result<Vec<CachedImage>, Error> {
//!         let text = format!("SELECT {COLUMNS} FROM images WHERE id > ? ORDER BY id LIMIT ?");
//!         images(&text, vec![Value::Text(after.unwrap_or_default()), integer(limit.min(1000).into())])
//!     }
//!
//!     fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
//!         let text = format!("SELECT {COLUMNS} FROM images ORDER BY size DESC LIMIT 1000");
//!         let (mut victims, mut freed) = (Vec::new(), 0u64);
//!         for image in images(&text, vec![])? {
//!             if freed >= request.bytes_needed || victims.len() as u32 >= request.limit {
//!                 break;
//!             }
//!             if !request.exclude.contains(&image.image_id) {
//!                 freed = freed.saturating_add(image.size);
//!                 victims.push(Victim { image_id: image.image_id, size: image.size });
//!             }
//!         }
//!         Ok(victims)
//!     }
//! }
//!
//! fn statement(sql: &str, parameters: Vec<Value>) -> Statement {
//!     Statement { sql: sql.into(), parameters }
//! }
//!
//! fn integer(value: u64) -> Value {
//!     Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
//! }
//!
//! fn images(text: &str, parameters: Vec<Value>) -> Result<Vec<CachedImage>, Error> {
//!     let number = |value: &Value| if let Value::Integer(n) = value { (*n).max(0) as u64 } else { 0 };
//!     let rows = sql::query(&statement(text, parameters))?.rows;
//!     let image = |row: Vec<Value>| {
//!         let [Value::Text(id), size, hits, accessed, modified] = row.as_slice() else { return None };
//!         Some(CachedImage {
//!             image_id: id.clone(),
//!             size: number(size),
//!             hits: number(hits),
//!             last_accessed: number(accessed),
//!             last_modified: number(modified),
//!             checksum: None,
//!         })
//!     };
//!     Ok(rows.into_iter().filter_map(image).collect())
//! }
//!
//! export_driver!(LargestFirst);
//! # fn main() {}
//! ```
//!
//! # What a driver can rely on
//! - A component imports only what it uses; beyond `log`, each import needs a grant of the same name.
//! - A panic is a trap: what it said is in the host's log, at level `error`, and a new instance takes over.
//! - On other targets than WebAssembly everything compiles, and calling an import panics: keep what is worth testing in functions
//!   that call none, and test those natively.

mod checksum;
mod driver;
mod error;
mod export;
mod oldest;
mod options;

pub use checksum::checksum_from_hex;
pub use driver::{Driver, stalled_leftovers};
pub use error::error_words;
pub use oldest::Oldest;
pub use options::Options;

/// What `wit-bindgen` makes of the WIT package; use the re-exports beside it.
#[doc(hidden)]
#[allow(missing_docs, clippy::undocumented_unsafe_blocks, clippy::all, reason = "generated code")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "image-cache-driver",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "image_cache_driver_sdk::bindings",
        additional_derives: [PartialEq],
    });
}

pub use bindings::exports::image_cache::driver::driver::{
    CacheSize, ConfigurationError, Description, Eviction, Hit, Leftover, LeftoverState, Victim,
};
pub use bindings::image_cache::driver::{attributes, files, log, sql, types};

#[doc(hidden)]
pub use export::{Exported, Slot};

/// All that a driver usually names.
pub mod prelude {
    pub use crate::log::{Level, log};
    pub use crate::sql::{Statement, Value};
    pub use crate::types::{CachedImage, Checksum, ChecksumAlgorithm, Error};
    pub use crate::{
        CacheSize, ConfigurationError, Description, Driver, Eviction, Hit, Leftover, LeftoverState,
        Options, Victim,
    };
    pub use crate::{attributes, error_words, export_driver, files, sql};
}
