//! The engine's bindings.
//!
//! They are made by the crate on which `wasmtime::component::bindgen!` is built. It has wasmtime's version, and says that it is
//! internal: a new version may need a change here, which the compiler or the comparison of the code reports.

use super::generated::{FindWorld, Generated};
use anyhow::Result;
use wasmtime_internal_wit_bindgen::{FunctionConfig, FunctionFilter, FunctionFlags, Opts};

/// If the guest or the host is at fault, these end the call. The others return every error to the guest.
const TRAPPABLE: [&str; 2] =
    ["image-cache:driver/attributes.is-supported", "image-cache:driver/files.[method]listing.next"];

pub fn bindings(world: FindWorld<'_>) -> Result<Vec<Generated>> {
    let mut imports = FunctionConfig::new();
    for function in TRAPPABLE {
        imports.push(FunctionFilter::Name(function.into()), FunctionFlags::TRAPPABLE);
    }
    let listing = ("image-cache:driver/files.listing", "crate::capability::listing::Listing");
    let types = ("image-cache:driver/types", "crate::bindings::image_cache::driver::types");
    let driver = Opts { imports, with: with(listing), ..Opts::default() };
    let optional = Opts { with: with(types), ..Opts::default() };
    let mut all = Vec::new();
    for (name, options) in [("image-cache-driver", driver), ("optional-exports", optional)] {
        let (mut resolve, id) = world(name)?;
        all.push(Generated {
            path: format!("host/engine/src/bindings/{}.rs", name.replace('-', "_")),
            code: options.generate(&mut resolve, id)?,
        });
    }
    Ok(all)
}

fn with((name, path): (&str, &str)) -> std::collections::HashMap<String, String> {
    [(name.to_owned(), path.to_owned())].into()
}
