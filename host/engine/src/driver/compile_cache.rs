//! A cache of compiled components on disk, so that a short command need not compile. It is only an optimisation.
//!
//! The host trusts compiled code that it loads, so the directory is used only if no other user can write to it; and a
//! digest of each entry keeps the host from running code that the disk has damaged.

mod entry;
mod storage;

use super::error::causes;
use crate::engine;
use image_cache_store::Dir;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The suffix of an entry's name.
const ENTRY_SUFFIX: &str = ".cwasm";

/// The cache of compiled components, or why there is none.
#[derive(Debug, Clone)]
pub(super) struct CompileCache {
    directory: Result<PathBuf, String>,
}

/// A component ready to be instantiated.
pub(super) struct Compiled {
    pub component: Component,
    /// Whether it was loaded from the cache.
    pub from_cache: bool,
    /// Why the cache could not be used, if it could not.
    pub cache_fault: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl Compiled {
    /// Logs how long the driver's component took.
    pub fn log(&self, driver: &str) {
        let took = self.took;
        if self.from_cache {
            tracing::debug!(driver, ?took, "the compiled code was found on disk");
        } else {
            tracing::info!(driver, ?took, "the driver was compiled");
        }
    }
}

impl CompileCache {
    /// The user's: the directory `compiled/` in `$CACHE_DIRECTORY` (systemd's), `$XDG_CACHE_HOME/image-cache` or
    /// `~/.cache/image-cache`.
    pub fn of_user() -> Self {
        let directory =
            of_environment(|name| std::env::var_os(name).filter(|value| !value.is_empty()));
        let fault = "none of CACHE_DIRECTORY, XDG_CACHE_HOME and HOME names an absolute directory";
        CompileCache { directory: directory.ok_or_else(|| fault.to_owned()) }
    }

    /// A cache in `directory`, which is created if it is missing.
    #[cfg(test)]
    pub fn at(directory: PathBuf) -> Self {
        CompileCache { directory: Ok(directory) }
    }

    /// Loads the component with these bytes from the cache, or compiles it and stores it there. The error is the compiler's.
    pub fn compile(
        &self,
        engine: &Engine,
        bytes: &[u8],
        digest: &[u8; 32],
    ) -> Result<Compiled, String> {
        let started = Instant::now();
        let name = entry_name(engine, digest);
        let directory = self.directory.as_ref().map_err(String::clone).and_then(|path| {
            let fault = |e: io::Error| format!("{}: {e}", path.display());
            Ok((path, storage::open_private(path).map_err(fault)?))
        });
        if let Ok((_, directory)) = &directory
            && let Some(component) = load(engine, directory, &name)
        {
            let took = started.elapsed();
            return Ok(Compiled { component, from_cache: true, cache_fault: None, took });
        }
        let component = compile(engine, bytes)?;
        let took = started.elapsed();
        let stored = directory.and_then(|(path, directory)| {
            let code = component.serialize().map_err(io::Error::other);
            let written = code.and_then(|code| storage::write(&directory, &name, &code));
            written.map_err(|e| format!("{}: {e}", path.display()))
        });
        if let Err(fault) = &stored {
            tracing::debug!(%fault, "cannot store compiled code for the next start");
        }
        Ok(Compiled { component, from_cache: false, cache_fault: stored.err(), took })
    }
}

/// Compiles a component of another author: if the compiler panics, the process must continue.
pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, String> {
    engine::validate(bytes).map_err(|e| does_not_compile(&e))?;
    // A partial result is dropped; the engine registers a component only when it is complete.
    match catch_unwind(AssertUnwindSafe(|| Component::from_binary(engine, bytes))) {
        Ok(compiled) => compiled.map_err(|e| does_not_compile(&causes(&e))),
        Err(_) => Err(does_not_compile("the compiler panicked; its message is on standard error")),
    }
}

/// The digest that identifies a component here, and with which a pin is compared.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn of_environment(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // systemd may name several directories, separated by colons.
    let systemd = variable("CACHE_DIRECTORY")
        .map(|value| PathBuf::from(value.to_string_lossy().split(':').next().unwrap_or_default()));
    let home = |name: &str, below: &str| variable(name).map(|value| Path::new(&value).join(below));
    [systemd, home("XDG_CACHE_HOME", "image-cache"), home("HOME", ".cache/image-cache")]
        .into_iter()
        .flatten()
        .find(|directory| directory.is_absolute())
        .map(|directory| directory.join("compiled"))
}

/// The name for a component and everything in the engine on which its code depends.
fn entry_name(engine: &Engine, digest: &[u8; 32]) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    entry::VERSION.hash(&mut hasher);
    format!("{}-{:016x}{ENTRY_SUFFIX}", hex::encode(digest), hasher.finish())
}

/// The entry with this name, if it exists, is ours, intact, and from this engine.
fn load(engine: &Engine, directory: &Dir, name: &str) -> Option<Component> {
    let unusable = |why: &dyn Display| {
        tracing::warn!(name, "compiled code on disk is damaged ({why}); compiling it again");
    };
    let entry = match storage::read(directory, name) {
        Ok(entry) => entry?,
        Err(error) => {
            unusable(&error);
            return None;
        }
    };
    let Some(code) = entry::content(&entry, name) else {
        unusable(&"its digest differs");
        return None;
    };
    // SAFETY: the bytes must be a result of `Component::serialize`. They are in memory, where nothing changes them, and have
    // the digest that `storage::write` wrote with them, so they were not damaged since. No other user can have written them: they
    // come from our file in our private directory (checked by `storage::open_private` just before). wasmtime itself refuses
    // code of another version or configuration.
    match unsafe { Component::deserialize(engine, code) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::debug!(%error, name, "cannot use compiled code; compiling it again");
            None
        }
    }
}

fn does_not_compile(why: &str) -> String {
    format!("it does not compile: {}", image_cache_model::printable(why, 2000))
}

#[cfg(test)]
mod tests;
