//! Where a guest trapped: the functions of its backtrace in one line, innermost first. Their names are in the component; source
//! lines would need its debug information, which the host does not read: it is hostile input without a bound.

use image_cache_model::printable;
use wasmtime::WasmBacktrace;

/// Functions that are shown, at most: the outermost are those that call every driver.
const MAX_FUNCTIONS: usize = 12;

/// Maximum length of a function's name, in bytes.
const MAX_NAME: usize = 120;

/// Maximum length of a name in the compiler's own form, in bytes.
const MAX_MANGLED: usize = 2000;

/// The functions that ran when the guest trapped; `None` if the component names no function.
pub(super) fn functions(error: &wasmtime::Error) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
    let named = frames.iter().filter_map(|frame| frame.func_name().map(readable));
    let mut functions = named.filter(|name| !is_of_every_trap(name));
    let mut shown: Vec<String> = functions.by_ref().take(MAX_FUNCTIONS).collect();
    if functions.next().is_some() {
        shown.push("…".into());
    }
    (!shown.is_empty()).then(|| shown.join(" < "))
}

/// The name as its author wrote it, as far as the compiler's own form is known.
fn readable(name: &str) -> String {
    // A longer one is no name that a person gave.
    let end = name.floor_char_boundary(MAX_MANGLED);
    let demangled = rustc_demangle::demangle(&name[..end]);
    printable(&format!("{demangled:#}"), MAX_NAME)
}

/// Whether it is a part of Rust's machinery of panics, which precedes each of them.
fn is_of_every_trap(function: &str) -> bool {
    const MACHINERY: [&str; 6] = [
        "__rustc::rust_panic",
        "rust_panic",
        "std::panicking::",
        "std::sys::backtrace::",
        "core::panicking::panic_fmt",
        "abort",
    ];
    MACHINERY.iter().any(|part| function.starts_with(part))
}
