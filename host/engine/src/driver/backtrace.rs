//! Where a guest trapped: the functions of its backtrace in one line, innermost first. Their names are in the component; files and
//! lines too, if its author left debug information in it.

#[cfg(feature = "backtraces")]
mod debug_info;
#[cfg(feature = "backtraces")]
mod dwarf;
#[cfg(feature = "backtraces")]
mod line_table;
mod source_frame;
#[cfg(not(feature = "backtraces"))]
mod without;

#[cfg(feature = "backtraces")]
pub(super) use debug_info::DebugInfo;
use image_cache_model::printable;
use source_frame::SourceFrame;
use wasmtime::{FrameInfo, WasmBacktrace};
#[cfg(not(feature = "backtraces"))]
pub(super) use without::DebugInfo;

/// Functions that are shown, at most: the outermost are those that call every driver.
const MAX_FUNCTIONS: usize = 12;

/// Maximum length of a function's name, and of its file's path, in bytes.
const MAX_NAME: usize = 120;

/// Maximum length of a name in the compiler's own form, in bytes.
const MAX_MANGLED: usize = 2000;

/// The functions that ran when the guest trapped, with files and lines as far as `debug_info` has them; `None` if the component
/// names no function.
pub(super) fn functions(
    error: &wasmtime::Error,
    debug_info: Option<&DebugInfo>,
) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
    let offsets: Vec<Option<usize>> = frames.iter().map(FrameInfo::module_offset).collect();
    let mut sources = debug_info.map(|info| info.frames(&offsets)).unwrap_or_default();
    sources.resize(frames.len(), Vec::new());
    let mut functions = frames.iter().zip(&sources).flat_map(|(frame, its)| described(frame, its));
    let mut shown: Vec<String> = functions.by_ref().take(MAX_FUNCTIONS).collect();
    if functions.next().is_some() {
        shown.push("…".into());
    }
    (!shown.is_empty()).then(|| shown.join(" < "))
}

/// The functions of one frame: those that were inlined into it, and itself.
fn described(frame: &FrameInfo, sources: &[SourceFrame]) -> Vec<String> {
    let own = || frame.func_name().map(readable);
    if sources.is_empty() {
        return own().into_iter().filter(|name| !is_of_every_trap(name)).collect();
    }
    let described = sources.iter().filter_map(|source| {
        let name = source.inlined.as_deref().map(readable).or_else(own)?;
        if is_of_every_trap(&name) {
            return None;
        }
        let file = source.file.as_deref().map(|file| printable(without_compiler(file), MAX_NAME));
        Some(match file {
            Some(file) if source.line > 0 => format!("{name} ({file}:{})", source.line),
            _ => name,
        })
    });
    described.collect()
}

/// The name as its author wrote it, as far as the compiler's own form is known.
fn readable(name: &str) -> String {
    // A longer one is no name that a person gave.
    let end = name.floor_char_boundary(MAX_MANGLED);
    let demangled = rustc_demangle::demangle(&name[..end]);
    printable(&format!("{demangled:#}"), MAX_NAME)
}

/// A file of the compiler's own libraries without the digest of the compiler's version.
fn without_compiler(file: &str) -> &str {
    let inside = file.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/'));
    inside.map_or(file, |(_, path)| path)
}

/// Whether it is a part of Rust's machinery of panics, which precedes each of them.
fn is_of_every_trap(function: &str) -> bool {
    const FUNCTIONS: [&str; 4] = ["rust_panic", "core::panicking::panic_fmt", "abort", "panic_fmt"];
    const MODULES: [&str; 4] =
        ["__rustc::", "std::panicking::", "std::sys::backtrace::", "panic_abort::"];
    FUNCTIONS.contains(&function) || MODULES.iter().any(|module| function.starts_with(module))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machinery_of_panics_is_left_out() {
        for name in ["__rustc::rust_panic", "abort", "std::panicking::panic_handler::{closure#0}"] {
            assert!(is_of_every_trap(name), "{name}");
        }
        for name in ["abort_transfer", "lfu::choose", "core::option::unwrap_failed"] {
            assert!(!is_of_every_trap(name), "{name}");
        }
    }

    #[test]
    fn the_compilers_files_are_named_without_its_version() {
        assert_eq!(without_compiler("/rustc/0123abc/library/core/a.rs"), "library/core/a.rs");
        assert_eq!(without_compiler("src/lib.rs"), "src/lib.rs");
    }
}
