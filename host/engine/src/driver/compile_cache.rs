//! Compiled components on disk, so that a program which runs for a moment need not compile: best effort, never needed.
//!
//! Loading compiled code is trusting it, so the directory is used only where nobody but us can have written into it; and a
//! digest over each entry keeps what the disk damaged from being run.

mod entry;

use crate::engine;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use wasmtime::Engine;
use wasmtime::component::Component;

/// So many compiled components are kept; what was compiled first goes first.
const MAX_ENTRIES: usize = 64;

/// No entry has more bytes: compiled, the largest component that may be configured by default has less than a tenth.
const MAX_BYTES: u64 = 1 << 30;

/// The ending of an entry's name.
const ENDING: &str = ".cwasm";

/// Where compiled components lie.
#[derive(Debug, Clone)]
pub(super) struct CompileCache {
    directory: Result<PathBuf, String>,
}

/// A component ready to be instantiated.
pub(super) struct Compiled {
    pub component: Component,
    /// Whether it came out of the cache.
    pub from_cache: bool,
    /// Why the cache could not be used, where it could not.
    pub cache_fault: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl Compiled {
    /// Tells the log how long the driver's component took.
    pub fn tell(&self, driver: &str) {
        let took = self.took;
        if self.from_cache {
            tracing::debug!(driver, ?took, "its compiled code was found on disk");
        } else {
            tracing::info!(driver, ?took, "it was compiled");
        }
    }
}

impl CompileCache {
    /// The user's: `$CACHE_DIRECTORY` (systemd's), `$XDG_CACHE_HOME/image-cache` or `~/.cache/image-cache`, and there
    /// `compiled/`.
    pub fn of_user() -> Self {
        let directory =
            of_environment(|name| std::env::var_os(name).filter(|value| !value.is_empty()));
        let fault = "none of CACHE_DIRECTORY, XDG_CACHE_HOME and HOME names an absolute directory";
        CompileCache { directory: directory.ok_or_else(|| fault.to_owned()) }
    }

    /// None: what is compiled is not kept.
    pub fn none() -> Self {
        CompileCache { directory: Err("it is compiled to see how long that takes".into()) }
    }

    /// One in `directory`, which is made where it is missing.
    #[cfg(test)]
    pub fn at(directory: PathBuf) -> Self {
        CompileCache { directory: Ok(directory) }
    }

    /// Takes the component of these bytes from the cache, or compiles it and puts it there. The error is the compiler's.
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
            Ok((path, trusted(path).map_err(fault)?))
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
            store(&directory, &name, &component).map_err(|e| format!("{}: {e}", path.display()))
        });
        if let Err(fault) = &stored {
            tracing::debug!(%fault, "compiled code is not kept for the next start");
        }
        Ok(Compiled { component, from_cache: false, cache_fault: stored.err(), took })
    }
}

/// Compiles what somebody else wrote: a compiler that panics on it must not take the process along.
fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, String> {
    engine::validate(bytes).map_err(|e| does_not_compile(&e))?;
    // What is half compiled is dropped; the engine takes notice of a component only once it is whole.
    match catch_unwind(AssertUnwindSafe(|| Component::from_binary(engine, bytes))) {
        Ok(compiled) => compiled.map_err(|e| compiler_words(&e)),
        Err(_) => Err(does_not_compile("the compiler panicked; what it said is on standard error")),
    }
}

/// The digest that names a component here, and that a pin is compared with.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn of_environment(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // systemd may name several, separated by colons.
    let systemd = variable("CACHE_DIRECTORY")
        .map(|value| PathBuf::from(value.to_string_lossy().split(':').next().unwrap_or_default()));
    let home = |name: &str, below: &str| variable(name).map(|value| Path::new(&value).join(below));
    [systemd, home("XDG_CACHE_HOME", "image-cache"), home("HOME", ".cache/image-cache")]
        .into_iter()
        .flatten()
        .find(|directory| directory.is_absolute())
        .map(|directory| directory.join("compiled"))
}

/// A component and everything of the engine that its code depends on.
fn entry_name(engine: &Engine, digest: &[u8; 32]) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    entry::VERSION.hash(&mut hasher);
    format!("{}-{:016x}{ENDING}", hex::encode(digest), hasher.finish())
}

/// Opens the directory, makes it where it is missing, and makes sure that it is ours alone.
fn trusted(directory: &Path) -> io::Result<Dir> {
    if !directory.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, directory, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&opened)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if stat.st_mode & 0o077 != 0 {
        return Err(io::Error::other("it is open to others; set its mode to 0700"));
    }
    Ok(Dir::from_std_file(opened.into()))
}

/// The entry of this name, if it is there, ours, whole, and of this engine.
fn load(engine: &Engine, directory: &Dir, name: &str) -> Option<Component> {
    let unusable = |why: &dyn Display| {
        tracing::warn!(name, "compiled code on disk is damaged ({why}); it is compiled anew");
    };
    let entry = match read(directory, name) {
        Ok(entry) => entry?,
        Err(error) => {
            unusable(&error);
            return None;
        }
    };
    let Some(code) = entry::content(&entry, name) else {
        unusable(&"its digest is another one");
        return None;
    };
    // SAFETY: the bytes must be what `Component::serialize` answered. They are in memory, where nobody changes them, and have
    // the digest that `store` wrote with them, so they were not damaged since. Nobody else can have written them: they come
    // out of a file of ours, in a directory that is ours alone (checked by `trusted` just before). wasmtime itself refuses
    // code of another version or configuration.
    match unsafe { Component::deserialize(engine, code) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::debug!(%error, name, "compiled code cannot be used; it is made anew");
            None
        }
    }
}

/// The bytes of an entry; nothing where there is none, or it is not ours.
fn read(directory: &Dir, name: &str) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_mode & 0o022 != 0 {
        return Ok(None);
    }
    let len = stat.st_size.cast_unsigned();
    if len > MAX_BYTES {
        return Err(io::Error::other("it is too large"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1);
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes an entry under a name of its own, flushes it, and only then gives it its name.
fn store(directory: &Dir, name: &str, component: &Component) -> io::Result<()> {
    let code = component.serialize().map_err(io::Error::other)?;
    let temporary = format!(".{name}.{}.{:?}", std::process::id(), std::thread::current().id());
    let written = write_new(directory, &temporary, &code, name)
        .and_then(|()| Ok(rustix::fs::renameat(directory, &temporary, directory, name)?));
    if written.is_err() {
        let _ = rustix::fs::unlinkat(directory, &temporary, AtFlags::empty());
    }
    written?;
    forget_old(directory)
}

fn write_new(directory: &Dir, temporary: &str, code: &[u8], name: &str) -> io::Result<()> {
    // What a killed process of our number left.
    let _ = rustix::fs::unlinkat(directory, temporary, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let mut file = File::from(rustix::fs::openat(directory, temporary, flags, mode)?);
    file.write_all(&entry::head(code, name))?;
    file.write_all(code)?;
    // A file that a power failure left half written must never have an entry's name.
    file.sync_data()
}

/// Removes what was compiled first, and what a killed process left half written.
fn forget_old(directory: &Dir) -> io::Result<()> {
    let mut entries: Vec<(SystemTime, OsString)> = Vec::new();
    for entry in directory.entries()?.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let modified = modified.map_or(SystemTime::UNIX_EPOCH, |time| time.into_std());
        entries.push((modified, entry.file_name()));
    }
    entries.sort_unstable_by(|a, b| b.cmp(a));
    for (_, name) in entries.iter().skip(MAX_ENTRIES) {
        rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
    }
    Ok(())
}

/// The compiler's reason in one line.
fn compiler_words(error: &wasmtime::Error) -> String {
    let chain: Vec<String> =
        error.chain().map(|cause| image_cache_model::printable(&cause.to_string(), 500)).collect();
    does_not_compile(&chain.join(": "))
}

fn does_not_compile(why: &str) -> String {
    format!("it does not compile: {}", image_cache_model::printable(why, 2000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const COMPONENT: &str = "(component (core module (func (export \"f\"))))";

    fn compiled(cache: &CompileCache) -> Compiled {
        let engine = engine::engine().expect("an engine");
        let bytes = wat::parse_str(COMPONENT).expect("valid text");
        cache.compile(engine, &bytes, &digest(&bytes)).expect("it compiles")
    }

    #[test]
    fn the_second_time_nothing_is_compiled() {
        let place = tempfile::tempdir().expect("a directory");
        let cache = CompileCache::at(place.path().join("compiled"));
        let first = compiled(&cache);
        assert!(!first.from_cache);
        assert_eq!(first.cache_fault, None);
        assert!(compiled(&cache).from_cache);
    }

    /// The path of the only entry.
    fn only_entry(directory: &Path) -> PathBuf {
        let mut entries = std::fs::read_dir(directory).expect("a list").flatten();
        entries.next().expect("it was kept").path()
    }

    #[test]
    fn damaged_code_is_compiled_anew() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = place.path().join("compiled");
        let cache = CompileCache::at(directory.clone());
        compiled(&cache);
        let path = only_entry(&directory);
        let whole = std::fs::read(&path).expect("it can be read");
        let flipped = |at: usize| {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            damaged
        };
        let longer = [&whole[..], b"x"].concat();
        let flips = (0..whole.len()).step_by(whole.len() / 16).map(flipped);
        let cut = [0, 1, whole.len() / 2, whole.len() - 1].map(|len| whole[..len].to_vec());
        for damaged in flips.chain(cut).chain([longer, b"damaged".to_vec()]) {
            std::fs::write(&path, damaged).expect("it can be written");
            assert!(!compiled(&cache).from_cache);
            assert!(compiled(&cache).from_cache);
        }
    }

    #[test]
    fn what_is_no_regular_file_or_another_components_is_compiled_anew() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = place.path().join("compiled");
        let cache = CompileCache::at(directory.clone());
        compiled(&cache);
        let path = only_entry(&directory);
        let code = std::fs::read(&path).expect("it can be read");
        let other = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        assert!(entry::content(&code, &other).is_some() && entry::content(&code, "b").is_none());
        let outside = place.path().join("outside");
        std::fs::write(&outside, &code).expect("it can be written");
        let plants: [&dyn Fn(); 3] = [
            &|| std::os::unix::fs::symlink(&outside, &path).expect("a link"),
            &|| rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).expect("a pipe"),
            &|| {
                let file = File::create(&path).expect("a file");
                file.set_len(1 << 40).expect("it is sparse");
            },
        ];
        for plant in plants {
            std::fs::remove_file(&path).expect("it goes");
            plant();
            assert!(!compiled(&cache).from_cache);
            assert!(compiled(&cache).from_cache);
        }
        assert_eq!(std::fs::read(&outside).expect("it is there"), code);
    }

    #[test]
    fn a_directory_that_is_open_to_others_is_not_trusted() {
        let place = tempfile::tempdir().expect("a directory");
        let cache = CompileCache::at(place.path().join("compiled"));
        compiled(&cache);
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(place.path().join("compiled"), open).expect("the mode changes");
        let again = compiled(&cache);
        assert!(!again.from_cache);
        assert!(again.cache_fault.is_some_and(|fault| fault.contains("0700")));
    }

    #[test]
    fn the_newest_entries_are_kept() {
        let place = tempfile::tempdir().expect("a directory");
        for n in 0..MAX_ENTRIES + 5 {
            std::fs::write(place.path().join(format!("{n}{ENDING}")), b"")
                .expect("it can be written");
        }
        let directory = Dir::open_ambient_dir(place.path(), cap_std::ambient_authority());
        forget_old(&directory.expect("it opens")).expect("old ones go");
        assert_eq!(std::fs::read_dir(place.path()).expect("a list").count(), MAX_ENTRIES);
    }

    #[test]
    fn the_directory_is_the_services_before_the_users() {
        let both = |name: &str| match name {
            "CACHE_DIRECTORY" => Some("/var/cache/images:/var/cache/more".into()),
            "HOME" => Some("/home/somebody".into()),
            _ => None,
        };
        assert_eq!(of_environment(both), Some("/var/cache/images/compiled".into()));
        let home = |name: &str| (name == "HOME").then(|| "/home/somebody".into());
        assert_eq!(of_environment(home), Some("/home/somebody/.cache/image-cache/compiled".into()));
        assert_eq!(of_environment(|_| Some("relative".into())), None);
    }
}
