//! Finds or installs the toolchain that compiles drivers to WebAssembly, compiles them, and makes them components.
//!
//! The build scripts of the host and of the tests use it, and `cargo xtask`. Two toolchains serve:
//! 1. the Rust that is in use, if it has the target `wasm32-unknown-unknown`;
//! 2. Debian's own Rust in `/usr/bin` with the library's source, which compiles the standard library along.
//!
//! Build scripts only look; [`Toolchain::find_or_install`], which `cargo xtask` calls, installs what is missing.
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
mod script;

pub use build::{Guest, Workspace, build, build_examples};
pub use component::{Component, foreign_imports};
pub use find::Toolchain;
pub use script::build_script;

/// What guests are compiled for: no operating system, so no imports that nobody asked for.
pub const TARGET: &str = "wasm32-unknown-unknown";
