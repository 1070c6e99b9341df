//! Where a guest trapped: the functions of its backtrace in one line, innermost first. Their names are in the component; files and
//! lines too, if its author left debug information in it.

#[cfg(feature = "backtraces")]
mod debug_info;
#[cfg(feature = "backtraces")]
pub(super) mod dwarf;
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
pub(super) use without::NoDebugInfo as DebugInfo;

/// Functions that are shown, at most: the outermost are those that call every driver.
const MAX_FUNCTIONS: usize = 12;

/// Maximum length of a function's name, and of its file's path, in bytes.
const MAX_NAME: usize = 120;

/// Maximum length of a name in the compiler's own form, in bytes.
const MAX_MANGLED: usize = 2000;

/// The functions that ran when the guest trapped, with files and lines as far as `debug_info` has them; `None` if the component
/// names no function.
pub(super) fn functions(error: &wasmtime::Error, debug_info: Option<&DebugInfo>) -> Option<String> {
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
        return own().into_iter().filter(|name| !is_of_every_trap(name, "")).collect();
    }
    let described = sources.iter().filter_map(|source| {
        let inlined = source.inlined.as_deref().map(|name| without_generics(&readable(name)));
        let name = inlined.or_else(own)?;
        let file = source.file.as_deref().map(without_compiler).unwrap_or_default();
        if is_of_every_trap(&name, file) {
            return None;
        }
        Some(match printable(file, MAX_NAME) {
            file if !file.is_empty() && source.line > 0 => {
                format!("{name} ({file}:{})", source.line)
            }
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

/// The name of a function in debug information, which has its types behind it.
fn without_generics(name: &str) -> String {
    let plain = name.split('<').next().filter(|plain| !plain.is_empty());
    plain.unwrap_or(name).to_owned()
}

/// A file of the compiler's own libraries without the place of these libraries.
fn without_compiler(file: &str) -> &str {
    let built = file.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/'));
    let installed = || file.split_once("/lib/rustlib/src/rust/");
    built.or_else(installed).map_or(file, |(_, path)| path)
}

/// Whether it is a part of Rust's machinery of panics, which precedes each of them.
fn is_of_every_trap(function: &str, file: &str) -> bool {
    const FUNCTIONS: [&str; 4] =
        ["rust_panic", "core::panicking::panic_fmt", "abort", "abort_internal"];
    const MODULES: [&str; 4] =
        ["__rustc::", "std::panicking::", "std::sys::backtrace::", "panic_abort::"];
    const FILES: [&str; 4] = [
        "library/std/src/panicking.rs",
        "library/std/src/rt.rs",
        "library/std/src/sys/backtrace.rs",
        "library/panic_abort/src/lib.rs",
    ];
    FUNCTIONS.contains(&function)
        || MODULES.iter().any(|module| function.starts_with(module))
        || FILES.contains(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machinery_of_panics_is_left_out() {
        let (none, own) = ("", "src/lib.rs");
        for (name, file) in [
            ("__rustc::rust_panic", none),
            ("abort", none),
            ("std::panicking::panic_handler::{closure#0}", none),
            ("__rust_start_panic", "library/panic_abort/src/lib.rs"),
        ] {
            assert!(is_of_every_trap(name, file), "{name}");
        }
        let unwrap = ("core::option::unwrap_failed", "library/core/src/option.rs");
        for (name, file) in [("abort_transfer", own), ("lfu::choose", none), unwrap] {
            assert!(!is_of_every_trap(name, file), "{name}");
        }
    }

    #[test]
    fn a_function_is_named_without_its_types_and_its_file_without_the_place_of_the_compiler() {
        assert_eq!(without_generics("choose<alloc::vec::Vec<u8>>"), "choose");
        assert_eq!(
            without_generics("<lfu::Lfu as Policy>::choose"),
            "<lfu::Lfu as Policy>::choose"
        );
        for place in ["/rustc/0123abc", "/usr/lib/rustlib/src/rust"] {
            let file = format!("{place}/library/core/a.rs");
            assert_eq!(without_compiler(&file), "library/core/a.rs");
        }
        assert_eq!(without_compiler("src/lib.rs"), "src/lib.rs");
    }
}
