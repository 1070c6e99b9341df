//! Why a driver cannot be used, as values that a program can match.

mod text;

use super::component_fault::ComponentFault;
use super::error::{CallError, MAX_TEXT};
use image_cache_model::{Grant, InvalidManifest, printable};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a driver cannot be used: every reason that was found, with advice. [`source`](std::error::Error::source) is the I/O error of
/// the first reason that has one.
///
/// ```
/// # use image_cache_engine::{LoadError, LoadFault};
/// # fn show(error: LoadError) {
/// eprintln!("{error}");
/// for fault in error.faults() {
///     match fault {
///         LoadFault::NotGranted { missing, .. } => eprintln!("- it needs {} more grants", missing.len()),
///         other => eprintln!("- {other}"),
///     }
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    driver: String,
    faults: Vec<LoadFault>,
}

impl LoadError {
    /// An error for the requested driver, with all its faults.
    pub fn new(driver: &str, faults: Vec<LoadFault>) -> Self {
        LoadError { driver: printable(driver, MAX_TEXT), faults }
    }

    /// The requested driver.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// The reasons, at least one.
    pub fn faults(&self) -> &[LoadFault] {
        &self.faults
    }
}

/// One reason why a driver cannot be used. The text contains advice. Two faults are equal if they have the same variant and the same
/// text.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LoadFault {
    /// No driver has the configured name.
    UnknownDriver {
        /// The names that are known, built in or configured.
        known: Vec<String>,
    },
    /// Glance's driver `centralized_db`, which only Glance can use.
    CentralizedDb,
    /// The driver is built in only with the feature `policies`, without which this program was built.
    PolicyNotBuiltIn {
        /// The driver.
        driver: String,
    },
    /// The component's path names no file.
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The component cannot be read, for example because there is none.
    Unreadable {
        /// The component's path.
        path: PathBuf,
        /// The error of the system.
        source: Arc<io::Error>,
    },
    /// The component is larger than the limit `component` of the driver.
    TooLarge {
        /// The component's path.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The component is not the one that the configuration pins.
    WrongDigest {
        /// The driver.
        driver: String,
        /// The SHA-256 digest of the component.
        found: [u8; 32],
        /// The SHA-256 digest in the configuration.
        pinned: [u8; 32],
    },
    /// The bytes are no component, or one that is broken.
    InvalidComponent {
        /// The component's path; `None` if it is built in.
        path: Option<PathBuf>,
        /// What the bytes are instead.
        reason: ComponentFault,
    },
    /// The component imports what it was not granted.
    NotGranted {
        /// The driver.
        driver: String,
        /// The imports.
        imports: Vec<String>,
        /// The grants in the configuration.
        granted: BTreeSet<Grant>,
        /// The grants that the component needs in addition.
        missing: BTreeSet<Grant>,
    },
    /// The component imports WASI, and this program was built without the feature `wasi`.
    WasiNotBuiltIn {
        /// The first such import.
        import: String,
    },
    /// The component imports an interface of our package that this host does not have.
    UnknownInterface {
        /// The import.
        import: String,
    },
    /// The component imports an interface in a version that this host does not have.
    UnsupportedInterface {
        /// The import.
        import: String,
    },
    /// The component imports from another package, which no grant covers.
    ForeignImport {
        /// The import.
        import: String,
    },
    /// The component imports a part of WASI that the grant `wasi` does not cover.
    UncoveredWasi {
        /// The import.
        import: String,
    },
    /// The component does not export the interface of a driver.
    NotADriver {
        /// What it exports.
        exports: Vec<String>,
    },
    /// The component exports the interface of a driver in another major version.
    ContractVersion {
        /// The version.
        found: String,
    },
    /// The component's manifest is broken.
    InvalidManifest(InvalidManifest),
    /// The component's manifest does not name a grant that the component needs.
    GrantNotInManifest {
        /// The grant.
        grant: Grant,
    },
    /// The driver reports another name than its manifest.
    OtherName {
        /// The name in the manifest.
        manifest: String,
        /// The name that the driver reports.
        reported: String,
    },
    /// The driver reports another name after it was configured.
    ChangedName {
        /// The name before.
        before: String,
        /// The name after.
        after: String,
    },
    /// WebAssembly cannot run in this process.
    NoEngine {
        /// The error of wasmtime, in words.
        reason: String,
    },
    /// WebAssembly cannot run in this process, because a thread that it needs cannot be started.
    NoThread {
        /// The error of the system.
        source: Arc<io::Error>,
    },
    /// The component does not compile.
    DoesNotCompile {
        /// The error of the compiler, in words.
        reason: String,
    },
    /// The component does not fit the interfaces of this host.
    DoesNotLink {
        /// The error of wasmtime, in words.
        reason: String,
    },
    /// A call at the start of the driver failed. If the driver rejects its options, this is a
    /// [`CallError::ConfigurationRefused`].
    Call(CallError),
    /// The owner of the driver's database cannot be read or written.
    DatabaseOwner {
        /// The error of the system.
        source: Arc<io::Error>,
    },
    /// The driver's database belongs to another driver, which another process uses now.
    DatabaseInUse {
        /// The name of that driver.
        owner: String,
        /// The id of that process.
        process: u32,
    },
    /// The driver's database is corrupt, and cannot be moved away.
    NotQuarantined {
        /// What SQLite found, in words.
        corruption: String,
        /// The error of the system.
        source: Arc<io::Error>,
    },
    /// The cache directory cannot be used.
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// The error of the system.
        source: Arc<io::Error>,
    },
    /// Any other reason, in words.
    Other(String),
}

impl LoadFault {
    /// The feature of the package `image-cache` with which the program must be built so that the driver can be used, if one is missing.
    ///
    /// ```
    /// let fault = image_cache_engine::LoadFault::WasiNotBuiltIn { import: "wasi:cli/environment@0.2.0".into() };
    /// assert_eq!(fault.missing_feature(), Some("wasi"));
    /// ```
    pub fn missing_feature(&self) -> Option<&'static str> {
        match self {
            LoadFault::PolicyNotBuiltIn { .. } => Some("policies"),
            LoadFault::WasiNotBuiltIn { .. } => Some("wasi"),
            _ => None,
        }
    }
}

impl From<CallError> for LoadFault {
    fn from(error: CallError) -> LoadFault {
        LoadFault::Call(error)
    }
}
