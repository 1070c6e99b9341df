//! The targets of the fuzzer, and the code under test.
//!
//! Modules that need neither wasmtime nor the library are included by their paths. Code that needs only the small
//! packages `image-cache-model` and `image-cache-store` is linked.

// The model under the library's name, which the service uses, and under its own.
extern crate image_cache as image_cache_model;

use image_cache_driver_sdk::bindings;
use serve::{plain_id, secret};

/// The modules of the service that parse untrusted input.
#[path = "../../host/serve/src"]
#[allow(dead_code, reason = "the service uses more of them")]
pub mod serve {
    mod cache_control;
    mod plain {
        pub(crate) mod credentials_in_query;
    }
    mod os_hash;
    pub(crate) mod plain_id;
    mod prefetch {
        pub(crate) mod credentials;
    }
    mod range;
    pub(crate) mod secret;
    mod stored_fields;
    mod stored_response;

    #[path = "../../../fuzz/src/targets/mod.rs"]
    mod targets;

    pub use targets::cache_control::check as cache_control;
    pub use targets::credentials_file::check as credentials_file;
    pub use targets::credentials_in_query::check as credentials_in_query;
    pub use targets::plain_ids::check as plain_ids;
    pub use targets::ranges::check as ranges;
    pub use targets::stored_response::check as stored_response;
}

/// The modules of the engine that parse data of a component. The types of the interface are the guest's, which have
/// the same names and fields as the host's.
#[path = "../../host/engine/src/driver"]
#[allow(dead_code, reason = "the engine uses more of them")]
pub mod driver {
    pub(crate) mod backtrace {
        pub(crate) mod dwarf;
        mod line_table;
        mod source_frame;
    }
    mod component_fault;
    mod convert;
    mod error;
    mod import_check;
    mod interfaces;
    mod load_error;

    #[path = "../../../../fuzz/src/driver_targets/mod.rs"]
    mod targets;

    pub use targets::component_imports::check as component_imports;
    pub use targets::debug_info::check as debug_info;
    pub use targets::guest_returns::check as guest_returns;
}

#[path = "store_targets/mod.rs"]
mod store_targets;

pub use store_targets::{
    config_ini::check as config_ini, config_toml::check as config_toml,
    digest_file::check as digest_file, image_ids::check as image_ids,
};
