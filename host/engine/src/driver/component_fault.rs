//! What the bytes of a file are, if they are no component that can be read.

use super::interfaces::MAX_NAMES;
use wasmparser::Parser;

/// Why bytes are no component that can be a driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentFault {
    /// There are none.
    #[error("the file is empty")]
    Empty,
    /// They are a core module.
    #[error(
        "it is a core WebAssembly module, not a component: turn it into one with `wasm-tools component new`"
    )]
    CoreModule,
    /// They are WebAssembly of another version, or the beginning of a file.
    #[error("it is WebAssembly of another version, or truncated; build it again")]
    OtherVersion,
    /// They are a native program or compiled code.
    #[error("it is a native program or compiled code, not a WebAssembly component")]
    NativeCode,
    /// They are text.
    #[error("it is text, not a WebAssembly component")]
    Text,
    /// They are something else.
    #[error("it is no WebAssembly")]
    NotWasm,
    /// They are a component that is broken, for this reason.
    #[error("it is a broken component: {0}; build it again")]
    Broken(String),
    /// It imports or exports more names than a driver needs.
    #[error(
        "it imports or exports more than {MAX_NAMES} names, which no driver needs; build it again"
    )]
    TooManyNames,
    /// It carries two manifests.
    #[error("it carries two manifests; build it again")]
    TwoManifests,
}

/// What the bytes are, if they are not a component.
pub(super) fn not_a_component(bytes: &[u8]) -> Option<ComponentFault> {
    let fault = if bytes.is_empty() {
        ComponentFault::Empty
    } else if Parser::is_component(bytes) {
        return None;
    } else if Parser::is_core_wasm(bytes) {
        ComponentFault::CoreModule
    } else if bytes.starts_with(b"\0asm") {
        ComponentFault::OtherVersion
    } else if bytes.starts_with(b"\x7fELF") {
        ComponentFault::NativeCode
    } else if std::str::from_utf8(&bytes[..bytes.len().min(512)]).is_ok_and(|t| !t.contains('\0')) {
        ComponentFault::Text
    } else {
        ComponentFault::NotWasm
    };
    Some(fault)
}
