//! From a configured name to a driver: found, read, pinned, held against its grants, compiled, linked, configured.

use super::built_in::BuiltIn;
use super::compile_cache::{CompileCache, Compiled, digest};
use super::context::DriverContext;
use super::error::{CallError, DriverError, LoadError};
use super::host_state::HostState;
use super::import_check::ComponentNames;
use super::instance::{FailedStart, Instance, Template};
use super::loaded_driver::Driver;
use crate::engine;
use image_cache_model::{Config, DriverConfig, Grant, Limits, read_file};
use image_cache_store::Directory;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A driver that was found, and what the configuration says of it.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub name: String,
    pub source: Source,
    pub pin: Option<[u8; 32]>,
    pub grants: BTreeSet<Grant>,
    pub options: Vec<(String, String)>,
    pub limits: Limits,
}

/// Where a component comes from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    BuiltIn(BuiltIn),
    File(PathBuf),
}

/// A component's bytes, and what was found in them.
pub(super) struct Examined {
    pub bytes: Cow<'static, [u8]>,
    pub digest: [u8; 32],
    pub world: ComponentNames,
    /// What keeps it from being this driver; empty: it may be compiled.
    pub faults: Vec<String>,
}

impl Driver {
    /// Takes every step from the configured name to a driver that can be called. A database that SQLite finds corrupt on
    /// the way is set aside, with a warning.
    ///
    /// # Errors
    /// Every reason that the step which failed has, with what to do about it.
    pub fn load(
        name: &str,
        config: &Config,
        directory: Arc<Directory>,
    ) -> Result<Driver, LoadError> {
        Driver::load_with(name, config, directory, Vec::new())
    }

    /// The same with more options than are configured, as the conformance suite gives them.
    pub fn load_with(
        name: &str,
        config: &Config,
        directory: Arc<Directory>,
        options: Vec<(String, String)>,
    ) -> Result<Driver, LoadError> {
        let failed = |fault| LoadError::new(name, vec![fault]);
        let mut candidate = find(name, config).map_err(failed)?;
        candidate.options.extend(options);
        let examined = examine(&candidate).map_err(failed)?;
        if !examined.faults.is_empty() {
            return Err(LoadError::new(name, examined.faults));
        }
        let (template, compiled) =
            prepare(&candidate, &examined, &CompileCache::of_user()).map_err(failed)?;
        compiled.tell(name);
        Driver::begin(&candidate, template, config, directory).map_err(|e| failed(e.to_string()))
    }

    /// The built-in sqlite driver in the place of one that keeps failing. It is compiled already where
    /// [`compile_last_resort`] has been called.
    pub fn load_last_resort(
        config: &Config,
        directory: Arc<Directory>,
    ) -> Result<Driver, LoadError> {
        let candidate = Candidate::built_in(BuiltIn::Sqlite);
        let failed = |fault| LoadError::new(&candidate.name, vec![fault]);
        let compiled = last_resort().as_ref().map_err(|fault| failed(fault.clone()))?;
        let template = link(&candidate, compiled).map_err(failed)?;
        Driver::begin(&candidate, template, config, directory).map_err(|e| failed(e.to_string()))
    }

    /// Configures the first instance, and asks it for its name.
    fn begin(
        candidate: &Candidate,
        template: Template,
        config: &Config,
        directory: Arc<Directory>,
    ) -> Result<Driver, CallError> {
        let home = candidate.home(config, Some(directory));
        let mut live = start(&template, HostState::new(&home), &candidate.name)?;
        let description = live.describe()?;
        Ok(Driver::new(home, description, template, live))
    }
}

/// Compiles the sqlite driver in the background, so that no request waits for that when another driver fails.
pub fn compile_last_resort() {
    let thread = std::thread::Builder::new().name("image-cache-spare".into());
    if let Err(error) = thread.spawn(|| last_resort().is_ok()) {
        tracing::debug!(%error, "the spare driver is compiled when it is needed");
    }
}

fn last_resort() -> &'static Result<Compiled, String> {
    static SPARE: OnceLock<Result<Compiled, String>> = OnceLock::new();
    SPARE.get_or_init(|| {
        let examined = examine(&Candidate::built_in(BuiltIn::Sqlite))?;
        CompileCache::of_user().compile(engine::engine()?, &examined.bytes, &examined.digest)
    })
}

/// A configured instance; after a corrupt database was set aside, if it comes to that.
fn start(template: &Template, state: HostState, name: &str) -> Result<Instance, CallError> {
    let FailedStart { mut state, error } = match start_patiently(template, state) {
        Ok(live) => return Ok(live),
        Err(born) => *born,
    };
    let CallError::Corrupt(words) = &error else { return Err(error) };
    let aside = state.quarantine_database().map_err(|e| {
        CallError::Corrupt(format!(
            "{words}; it could not be set aside either: {e}; move it away yourself"
        ))
    })?;
    match aside {
        Some(aside) => tracing::warn!(
            driver = name,
            "the database is corrupt or no database ({words}): it was set aside at {} and is rebuilt from the directory",
            aside.display()
        ),
        None => tracing::warn!(driver = name, "the database could not be read at first: {words}"),
    }
    template.start(state, None).map_err(|born| born.error)
}

/// How long another process's transaction may keep a driver from being configured.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);

/// A configured instance, once nobody else's lock on its database is in the way.
fn start_patiently(
    template: &Template,
    mut state: HostState,
) -> Result<Instance, Box<FailedStart>> {
    let until = Instant::now() + BUSY_PATIENCE;
    loop {
        let born = match template.start(state, None) {
            Err(born) if born.error == CallError::Refused(DriverError::Busy) => born,
            other => return other,
        };
        if Instant::now() > until {
            return Err(born);
        }
        std::thread::sleep(Duration::from_millis(20));
        state = born.state;
    }
}

/// The built-in drivers are trusted to come to an end: what takes long is a slow disk or a busy machine, on which giving
/// up would cost the records.
const BUILT_IN_TIME: Duration = Duration::from_secs(30);

impl Candidate {
    fn built_in(built_in: BuiltIn) -> Self {
        Candidate {
            name: built_in.name().into(),
            source: Source::BuiltIn(built_in),
            pin: None,
            grants: built_in.grants(),
            options: Vec::new(),
            limits: Limits {
                guest_time: BUILT_IN_TIME,
                call_time: BUILT_IN_TIME,
                ..Limits::default()
            },
        }
    }

    fn configured(name: &str, driver: &DriverConfig) -> Self {
        Candidate {
            name: name.into(),
            source: Source::File(driver.component.clone()),
            pin: driver.sha256,
            grants: driver.grants.clone(),
            options: driver.options.clone().into_iter().collect(),
            limits: driver.limits,
        }
    }

    pub fn home(&self, config: &Config, cache: Option<Arc<Directory>>) -> DriverContext {
        let built_in = match self.source {
            Source::BuiltIn(built_in) => Some(built_in),
            Source::File(_) => None,
        };
        let sqlite_db = config.sqlite_db.clone();
        DriverContext { name: self.name.clone(), built_in, limits: self.limits, cache, sqlite_db }
    }
}

/// The driver of this name: a built-in one (letter case ignored), one of `[drivers.NAME]`, or a file.
pub(super) fn find(name: &str, config: &Config) -> Result<Candidate, String> {
    if let Some(built_in) = BuiltIn::ALL.into_iter().find(|b| b.name().eq_ignore_ascii_case(name)) {
        return Ok(Candidate::built_in(built_in));
    }
    if let Some(driver) = config.drivers.get(name) {
        return Ok(Candidate::configured(name, driver));
    }
    if name.contains('/') || name.ends_with(".wasm") {
        return Ok(Candidate::configured(
            name,
            &DriverConfig { component: name.into(), ..ungranted() },
        ));
    }
    if name.eq_ignore_ascii_case("centralized_db") {
        return Err("Glance's centralized_db keeps its records in Glance's own database server, which only Glance can use; \
                    set image_cache_driver to sqlite or xattr"
            .into());
    }
    let configured = config.drivers.keys().map(|name| format!("{name:?}"));
    let known: Vec<String> =
        BuiltIn::ALL.iter().map(|b| format!("{:?}", b.name())).chain(configured).collect();
    Err(format!(
        "no driver has this name; known are {}, and a path to a component (with a '/' in it, or ending in .wasm)",
        known.join(", ")
    ))
}

/// A file that is named as a driver gets nothing: grants are given in `[drivers.NAME]`.
fn ungranted() -> DriverConfig {
    DriverConfig {
        component: PathBuf::new(),
        sha256: None,
        grants: BTreeSet::new(),
        options: std::collections::BTreeMap::new(),
        limits: Limits::default(),
    }
}

/// Reads a component and looks at its pin and its rim; nothing is compiled. The error is that of reading, or says what
/// the bytes are instead of a component.
pub(super) fn examine(candidate: &Candidate) -> Result<Examined, String> {
    let bytes = match &candidate.source {
        Source::BuiltIn(built_in) => Cow::Borrowed(built_in.bytes()),
        Source::File(path) => Cow::Owned(read(path, candidate.limits.component)?),
    };
    let digest = digest(&bytes);
    let pin = candidate.pin.filter(|pin| *pin != digest).map(|pin| {
        format!(
            "its SHA-256 is {}, not {} as pinned; if the change is meant, correct `sha256` in [drivers.{}]",
            hex::encode(digest),
            hex::encode(pin),
            candidate.name
        )
    });
    let world = ComponentNames::read(&bytes).map_err(|fault| match &candidate.source {
        Source::File(path) => format!("{}: {fault}", path.display()),
        Source::BuiltIn(_) => fault,
    })?;
    let faults = pin.into_iter().chain(world.faults(&candidate.name, &candidate.grants)).collect();
    Ok(Examined { bytes, digest, world, faults })
}

/// Compiles, or finds it compiled, and links.
pub(super) fn prepare(
    candidate: &Candidate,
    examined: &Examined,
    cache: &CompileCache,
) -> Result<(Template, Compiled), String> {
    let compiled = cache.compile(engine::engine()?, &examined.bytes, &examined.digest)?;
    Ok((link(candidate, &compiled)?, compiled))
}

fn link(candidate: &Candidate, compiled: &Compiled) -> Result<Template, String> {
    let (grants, options) = (&candidate.grants, candidate.options.clone());
    Template::new(engine::engine()?, &compiled.component, grants, options, candidate.limits)
}

/// The bytes of a component's file, which may be `most`.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let path_shown = path.display();
    read_file(path, most).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => {
            format!("{path_shown} is no file; give the path of a component")
        }
        io::ErrorKind::FileTooLarge => {
            let most = match most % (1 << 20) {
                0 => format!("{} MiB", most >> 20),
                _ => format!("{most} bytes"),
            };
            format!(
                "{path_shown} has more than {most}; if it is meant to, raise `limits.component`"
            )
        }
        _ => format!("{path_shown} cannot be read: {error}"),
    })
}

#[cfg(test)]
mod tests;
