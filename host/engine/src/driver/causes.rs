//! An error of wasmtime with its causes, as one text.

use image_cache_model::printable;

/// An error of wasmtime with its causes, in one line.
pub(super) fn causes(error: &wasmtime::Error) -> String {
    let causes: Vec<String> =
        error.chain().map(|cause| printable(&cause.to_string(), 500)).collect();
    causes.join(": ")
}
