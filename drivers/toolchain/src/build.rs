//! Compiles guests with a separate cargo process, independent of a cargo that may be running.

use crate::{Component, TARGET, Toolchain, remap};
use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A workspace member that is compiled to a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest {
    /// The package's name.
    pub package: &'static str,
    /// Its directory, relative to the workspace's.
    pub directory: &'static str,
}

impl Guest {
    /// Whether this workspace contains it, and not something else at its place.
    fn is_in(&self, workspace: &Path) -> bool {
        let manifest = fs::read_to_string(workspace.join(self.directory).join("Cargo.toml"));
        let name = format!("name = {:?}", self.package);
        manifest.is_ok_and(|manifest| manifest.lines().any(|line| line == name))
    }

    /// Its package's name without `image-cache-driver-` or `image-cache-guest-`: the name of its file.
    pub fn short_name(&self) -> &'static str {
        let prefixes = ["image-cache-driver-", "image-cache-guest-"];
        let stripped = prefixes.iter().find_map(|prefix| self.package.strip_prefix(prefix));
        stripped.unwrap_or(self.package)
    }
}

/// The locations of the sources and of the results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The directory of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// The target directory of guests: `guests` in the workspace's target directory, the same for every profile; if the
    /// workspace's target directory is elsewhere, a directory in it.
    pub target: PathBuf,
}

impl Workspace {
    /// The workspace of the package that cargo is running (a build script, or `cargo run`): the nearest parent directory with a
    /// `Cargo.lock`.
    pub fn of_this_package() -> Result<Workspace> {
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .context("CARGO_MANIFEST_DIR is not set: run this by cargo")?;
        let root = Path::new(&package)
            .ancestors()
            .find(|directory| directory.join("Cargo.lock").is_file());
        let root =
            root.with_context(|| format!("no Cargo.lock above {}", Path::new(&package).display()))?;
        Ok(Workspace::at(root))
    }

    /// The workspace around the package that cargo is running if it contains the sources of these guests, as a checkout does, and
    /// that of a git dependency. `None` if there is none: a package from a registry, or one that was vendored, lies alone.
    pub fn with_sources_of(guests: &[Guest]) -> Result<Option<Workspace>> {
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .context("CARGO_MANIFEST_DIR is not set: run this by cargo")?;
        let package = Path::new(&package);
        let mut above = package.ancestors();
        let root = above
            .find(|root| has_member(root, package) && guests.iter().all(|guest| guest.is_in(root)));
        Ok(root.map(Workspace::at))
    }

    fn at(root: &Path) -> Workspace {
        let target = target_directory().unwrap_or_else(|| root.join("target")).join("guests");
        // If several workspaces share a target directory, each needs its own subdirectory: guests of the same name would replace
        // one another.
        let target = if is_within(&target, root) { target } else { target.join(fingerprint(root)) };
        Workspace { root: root.to_path_buf(), target }
    }
}

/// Whether the workspace lists this package, and not only contains it somewhere, as a vendored copy.
fn has_member(workspace: &Path, package: &Path) -> bool {
    let manifest = fs::read_to_string(workspace.join("Cargo.toml"));
    let member =
        package.strip_prefix(workspace).map(|member| format!("{:?}", member.display().to_string()));
    workspace.join("Cargo.lock").is_file()
        && member.is_ok_and(|member| manifest.is_ok_and(|manifest| manifest.contains(&member)))
}

fn is_within(target: &Path, root: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let above = target.parent().unwrap_or(target);
    real(above).starts_with(real(root))
}

fn fingerprint(root: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The target directory in use, wherever it is: cargo creates a CACHEDIR.TAG at its root.
fn target_directory() -> Option<PathBuf> {
    let inside = env::var_os("OUT_DIR").map(PathBuf::from).or_else(|| env::current_exe().ok())?;
    let marked = |directory: &&Path| directory.join("CACHEDIR.TAG").is_file();
    inside.ancestors().find(marked).map(Path::to_path_buf)
}

/// Compiles all guests with one cargo process, and converts each to a component. Guests that are up to date are not compiled
/// again (this takes less than a second).
///
/// Several calls may run at once: the second one waits for cargo's lock on the target directory.
pub fn build(
    toolchain: &Toolchain,
    workspace: &Workspace,
    guests: &[Guest],
) -> Result<Vec<Component>> {
    let packages: Vec<&str> = guests.iter().map(|guest| guest.package).collect();
    compile(toolchain, workspace, &packages, "--lib")?;
    let results = results(workspace);
    let component =
        |package: &str| Component::of_module(package, &results.join(file_name(package)));
    packages.into_iter().map(component).collect()
}

/// The same for the examples of one package: each example is a guest with the name of the example.
pub fn build_examples(
    toolchain: &Toolchain,
    workspace: &Workspace,
    guest: Guest,
    examples: &[String],
) -> Result<Vec<Component>> {
    compile(toolchain, workspace, &[guest.package], "--examples")?;
    let results = results(workspace).join("examples");
    let component = |name: &String| Component::of_module(name, &results.join(file_name(name)));
    examples.iter().map(component).collect()
}

fn compile(
    toolchain: &Toolchain,
    workspace: &Workspace,
    packages: &[&str],
    targets: &str,
) -> Result<()> {
    let mut command = command(toolchain);
    command.current_dir(&workspace.root);
    command.args(["build", "--locked", targets, "--profile", "guest", "--target", TARGET]);
    command.arg("--target-dir").arg(&workspace.target);
    for package in packages {
        command.args(["--package", package]);
    }
    // Standard output is read only after cargo has ended, so cargo's messages go to standard error, which is passed on
    // immediately.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status =
        status.with_context(|| format!("{} does not run", command.get_program().display()))?;
    if status.success() {
        return Ok(());
    }
    bail!(
        "compiling {} with {toolchain} failed ({status}); its words are above",
        packages.join(", ")
    )
}

fn results(workspace: &Workspace) -> PathBuf {
    workspace.target.join(TARGET).join("guest")
}

fn file_name(package: &str) -> String {
    format!("{}.wasm", package.replace('-', "_"))
}

/// The nested cargo, without the settings for another compiler or target.
fn command(toolchain: &Toolchain) -> Command {
    let (cargo, rustc) = match toolchain {
        Toolchain::WithTarget { cargo, rustc } | Toolchain::WithSource { cargo, rustc, .. } => {
            (cargo, rustc)
        }
    };
    let mut command = Command::new(cargo);
    for (name, _) in env::vars_os() {
        if is_foreign(&name) {
            command.env_remove(name);
        }
    }
    command.env("RUSTC", rustc);
    // The variable overrides flags in a configuration file, which are for the host: so guests are compiled with the same flags
    // everywhere.
    command.env("CARGO_ENCODED_RUSTFLAGS", remap::encoded_flags());
    if let Toolchain::WithSource { linker, .. } = toolchain {
        if let Some(linker) = linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
        // With this path, Debian's tools find one another before other tools with the same names.
        let path = env::var_os("PATH").unwrap_or_default();
        let debian = ["/usr/bin", "/bin"].into_iter().map(PathBuf::from);
        if let Ok(path) = env::join_paths(debian.chain(env::split_paths(&path))) {
            command.env("PATH", path);
        }
    }
    command
}

impl Toolchain {
    /// Its cargo, without the settings for another compiler or target, and with everything that it needs to compile for
    /// WebAssembly except a command (`build`) and a target.
    pub fn cargo(&self) -> Command {
        command(self)
    }
}

/// Whether a variable is for another cargo, compiler or build script. Variables for registries, mirrors, proxies and cargo's home
/// stay.
fn is_foreign(name: &OsStr) -> bool {
    const KEPT: [&str; 7] = [
        "CARGO_HOME",
        "CARGO_REGISTRY_",
        "CARGO_REGISTRIES_",
        "CARGO_SOURCE_",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_TERM_",
    ];
    const DROPPED: [&str; 6] =
        ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "DEP_"];
    const DROPPED_WHOLE: [&str; 10] = [
        "MAKEFLAGS",
        "MFLAGS",
        "LD_LIBRARY_PATH",
        "OUT_DIR",
        "TARGET",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "PROFILE",
        "DEBUG",
    ];
    let Some(name) = name.to_str() else { return false };
    let starts = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
    (starts(&DROPPED) && !starts(&KEPT)) || DROPPED_WHOLE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_target_directory_is_distinguished_from_the_workspaces_own() {
        assert!(is_within(Path::new("/no/such/tree/target/guests"), Path::new("/no/such/tree")));
        assert!(!is_within(Path::new("/no/such/shared/guests"), Path::new("/no/such/tree")));
        assert_ne!(fingerprint(Path::new("/a")), fingerprint(Path::new("/b")));
    }

    #[test]
    fn a_workspace_with_other_packages_at_the_places_of_the_guests_is_not_ours() {
        let guest = Guest { package: "image-cache-driver-sqlite", directory: "drivers/sqlite" };
        assert_eq!(guest.short_name(), "sqlite");
        let place = tempfile::tempdir().expect("a directory");
        assert!(!guest.is_in(place.path()));
        let folder = place.path().join(guest.directory);
        fs::create_dir_all(&folder).expect("it can be made");
        for (name, is_ours) in [("sqlite", false), ("image-cache-driver-sqlite", true)] {
            let manifest = format!("[package]\nname = \"{name}\"\n");
            fs::write(folder.join("Cargo.toml"), manifest).expect("it can be written");
            assert_eq!(guest.is_in(place.path()), is_ours, "{name}");
        }
    }

    #[test]
    fn a_copy_of_a_package_below_the_workspace_is_no_member_of_it() {
        let place = tempfile::tempdir().expect("a directory");
        let member = |package: &str| has_member(place.path(), &place.path().join(package));
        let manifest = "[workspace]\nmembers = [\"host/engine\"]\n";
        fs::write(place.path().join("Cargo.toml"), manifest).expect("it can be written");
        assert!(!member("host/engine"), "without a lock file");
        fs::write(place.path().join("Cargo.lock"), "").expect("it can be written");
        assert!(member("host/engine") && !member("target/vendor/image-cache-engine-0.1.0"));
    }

    #[test]
    fn settings_for_another_compiler_are_dropped_and_registries_stay() {
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WRAPPER",
            "CARGO_BUILD_TARGET",
            "MAKEFLAGS",
            "CARGO",
        ] {
            assert!(is_foreign(OsStr::new(name)), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "CARGO_REGISTRIES_MINE_TOKEN",
            "CARGO_NET_OFFLINE",
            "HTTPS_PROXY",
            "PATH",
            "HOME",
        ] {
            assert!(!is_foreign(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn a_package_gives_a_file_with_underscores() {
        assert_eq!(file_name("image-cache-driver-sqlite"), "image_cache_driver_sqlite.wasm");
    }
}
