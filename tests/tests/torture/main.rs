//! Samples of the torture tests that `cargo xtask torture` runs in full.

mod processes;
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod system_calls;
