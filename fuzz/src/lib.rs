//! The targets of the fuzzer, and what they try.

/// The modules of the service that read what others send, as they are.
#[path = "../../host/serve/src"]
#[allow(dead_code, reason = "the service uses more of them")]
pub mod serve {
    mod cache_control;
    mod stored_response;
    mod range;
    mod stored_fields;

    #[path = "../../../fuzz/src/targets/mod.rs"]
    mod targets;

    pub use targets::cache_control::check as cache_control;
    pub use targets::ranges::check as ranges;
    pub use targets::stored_response::check as stored_response;
}
