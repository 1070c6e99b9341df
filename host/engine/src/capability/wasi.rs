//! The capability `wasi`: WASI 0.2 over an empty context, for toolchains that require it.
//!
//! No files, no environment, no arguments, no network; standard input is closed. Lines on standard output and standard error are
//! messages in the driver's log. Clocks and random numbers work. Waiting ends at the call's deadline.
//!
//! Only the feature `wasi` of this package contains it, because it brings wasmtime-wasi and tokio. Without the feature a driver
//! that imports WASI is refused before it is compiled, and [`WasiState`] is empty.

#[cfg(feature = "wasi")]
mod context;
#[cfg(feature = "wasi")]
mod output;
#[cfg(not(feature = "wasi"))]
mod without;

#[cfg(feature = "wasi")]
pub use context::{WasiState, pause, ready};
#[cfg(not(feature = "wasi"))]
pub use without::NoWasi as WasiState;

/// Runs work on its own thread. wasmtime-wasi blocks on a tokio runtime, which panics on a thread that belongs to a
/// runtime, and the caller's thread may.
pub fn on_own_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let joined = std::thread::scope(|scope| scope.spawn(work).join());
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(all(test, feature = "wasi"))]
mod tests;
