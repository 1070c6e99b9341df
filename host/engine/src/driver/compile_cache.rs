//! Compiled components: in memory while a driver uses them, and on disk, so that a short command need not compile. Keeping them is
//! only an optimisation.
//!
//! The host trusts compiled code that it loads, so a directory is used only if no other user can write to it; and a
//! digest of each entry keeps the host from running code that the disk has damaged.

mod entry;
mod in_memory;
mod storage;

use super::causes::causes;
use super::load_error::LoadFault;
use crate::engine::{self, Traps};
use entry::ENTRY_SUFFIX;
use image_cache_model::{CompiledDrivers, printable};
use image_cache_store::Dir;
use image_cache_store::sync::lock;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use storage::Access;
use wasmtime::Engine;
use wasmtime::component::Component;

/// The cache of compiled components.
#[derive(Debug, Clone)]
pub(super) enum CompileCache {
    /// None on disk.
    InMemory,
    /// In a directory.
    At(PathBuf, Access),
    /// There is none, for this reason.
    Missing(String),
}

/// A component ready to be instantiated.
pub(super) struct Compiled {
    /// Its code, in memory as long as this is used.
    pub component: Arc<Component>,
    pub origin: CodeOrigin,
    /// Why the cache could not be used, if it could not.
    pub cache_fault: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// Where compiled code was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeOrigin {
    /// Another driver of this process uses it.
    Memory,
    /// The directory.
    Disk,
    /// Nowhere: it was compiled.
    Compiler,
}

impl Compiled {
    /// Logs how long the driver's component took.
    pub fn log(&self, driver: &str) {
        let took = self.took;
        match self.origin {
            CodeOrigin::Memory => tracing::debug!(driver, ?took, "the compiled code was in memory"),
            CodeOrigin::Disk => {
                tracing::debug!(driver, ?took, "the compiled code was found on disk")
            }
            CodeOrigin::Compiler => tracing::info!(driver, ?took, "the driver was compiled"),
        }
    }
}

impl CompileCache {
    /// The cache that the option `image_cache_compiled_drivers` names. The user's is the directory `compiled/` in `$CACHE_DIRECTORY`
    /// (systemd's), `$XDG_CACHE_HOME/image-cache` or `~/.cache/image-cache`.
    pub fn of(place: &CompiledDrivers) -> Self {
        match place {
            CompiledDrivers::None => CompileCache::InMemory,
            CompiledDrivers::Directory(path) => CompileCache::At(path.clone(), Access::Shared),
            _ => CompileCache::of_user(),
        }
    }

    fn of_user() -> Self {
        let directory =
            of_environment(|name| std::env::var_os(name).filter(|value| !value.is_empty()));
        let fault = "none of CACHE_DIRECTORY, XDG_CACHE_HOME and HOME names an absolute directory";
        match directory {
            Some(directory) => CompileCache::At(directory, Access::Private),
            None => CompileCache::Missing(fault.to_owned()),
        }
    }

    /// The component with these bytes from memory or from the directory; otherwise compiles it and stores it there. The error is the
    /// compiler's.
    pub fn compile(
        &self,
        traps: Traps,
        bytes: &[u8],
        digest: &[u8; 32],
    ) -> Result<Compiled, LoadFault> {
        let started = Instant::now();
        let slot = in_memory::slot((*digest, traps));
        // If another thread compiles the same component, this waits for its code.
        let mut known = lock(&slot);
        if let Some(component) = known.upgrade() {
            let (origin, took) = (CodeOrigin::Memory, started.elapsed());
            return Ok(Compiled { component, origin, cache_fault: None, took });
        }
        let compiled = self.load_or_compile(engine::engine(traps)?, bytes, digest)?;
        *known = Arc::downgrade(&compiled.component);
        Ok(compiled)
    }

    /// The same, without a look into the memory.
    fn load_or_compile(
        &self,
        engine: &Engine,
        bytes: &[u8],
        digest: &[u8; 32],
    ) -> Result<Compiled, LoadFault> {
        let started = Instant::now();
        let name = entry_name(engine, digest);
        let directory = self.open();
        if let Some(Ok((_, directory))) = &directory
            && let Some(component) = load(engine, directory, &name)
        {
            let (component, took) = (Arc::new(component), started.elapsed());
            return Ok(Compiled { component, origin: CodeOrigin::Disk, cache_fault: None, took });
        }
        let component = compile(engine, bytes)?;
        let took = started.elapsed();
        let stored = directory.map_or(Ok(()), |directory| {
            let (path, directory) = directory?;
            let code = component.serialize().map_err(io::Error::other);
            let written = code.and_then(|code| storage::write(&directory, &name, &code));
            written.map_err(|e| format!("{}: {e}", path.display()))
        });
        if let Err(fault) = &stored {
            tracing::debug!(%fault, "cannot store compiled code for the next start");
        }
        let (component, origin) = (Arc::new(component), CodeOrigin::Compiler);
        Ok(Compiled { component, origin, cache_fault: stored.err(), took })
    }

    /// The directory, or why it is not used; `None` if there shall be none.
    fn open(&self) -> Option<Result<(&Path, Dir), String>> {
        let (path, access) = match self {
            CompileCache::InMemory => return None,
            CompileCache::Missing(fault) => return Some(Err(fault.clone())),
            CompileCache::At(path, access) => (path, *access),
        };
        let opened = storage::open_trusted(path, access);
        let opened = opened.map_err(|e| format!("{}: {e}", path.display()));
        if access == Access::Shared
            && let Err(fault) = &opened
        {
            tracing::warn!(%fault, "image_cache_compiled_drivers names a directory that is not used; drivers are compiled at each start");
        }
        Some(opened.map(|directory| (&**path, directory)))
    }
}

/// Compiles a component of another author: if the compiler panics, the process must continue.
pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadFault> {
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
    // come from our file, or root's, in a directory that only we or root can write to (checked by `storage::open_trusted` just before).
    // wasmtime itself refuses
    // code of another version or configuration.
    match unsafe { Component::deserialize(engine, code) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::debug!(%error, name, "cannot use compiled code; compiling it again");
            None
        }
    }
}

fn does_not_compile(why: &str) -> LoadFault {
    LoadFault::DoesNotCompile { reason: printable(why, 2000) }
}

#[cfg(test)]
mod tests;
