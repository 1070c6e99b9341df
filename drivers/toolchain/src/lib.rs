//! Finds or installs the toolchain that compiles drivers to WebAssembly, compiles drivers, and converts them to components.
//!
//! The build scripts of the host and of the tests use this crate, and so does `cargo xtask`. It supports two toolchains:
//! 1. the Rust toolchain in use, if it has the target `wasm32-unknown-unknown`;
//! 2. Debian's Rust in `/usr/bin` with the source of the standard library, which is compiled with the first guest.
//!
//! Build scripts only look for a toolchain; [`Toolchain::find_or_install`], which `cargo xtask` calls, installs a missing one.
//!
//! ```no_run
//! use image_cache_guest_toolchain::{Guest, Toolchain, Workspace, build};
//! let workspace = Workspace::of_this_package()?;
//! let guest = Guest { package: "image-cache-driver-sqlite", directory: "drivers/sqlite" };
//! let components = build(&Toolchain::find()?, &workspace, &[guest])?;
//! println!("{} bytes", components[0].bytes.len());
//! # Ok::<(), anyhow::Error>(())
//! ```

mod build;
mod component;
mod find;
mod install;
mod manifest;
mod remap;
mod script;

pub use build::{Guest, Workspace, build, build_examples};
pub use component::{Component, foreign_imports, without_debug_info};
pub use find::Toolchain;
pub use script::{build_script, component_in};

/// The target of guests: it has no operating system, so guests have no unintended imports.
pub const TARGET: &str = "wasm32-unknown-unknown";
