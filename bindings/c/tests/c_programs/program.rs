//! Compiles C programs against the installed library, and runs them.

use crate::install;
use std::ffi::OsStr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

/// A program that takes longer hangs. Under valgrind it takes about a minute.
const SECONDS: &str = "600";

const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

/// A compiled C program.
pub struct Program {
    path: PathBuf,
}

/// The prefix below which the libraries and the header are installed.
pub fn installed() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        // Cargo puts the libraries that an integration test needs beside it.
        let test = env::current_exe().expect("the path of the test");
        let built = test.parent().expect("its folder");
        let prefix = Path::new(SCRATCH).join("c-prefix");
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        install::install(built, package, &prefix).expect("the library can be installed");
        prefix
    })
}

impl Program {
    /// Compiles a source of this package.
    pub fn compile(source: &str, flags: &[&str]) -> Program {
        let name = Path::new(source).file_stem().and_then(OsStr::to_str).expect("a name");
        Program::compile_as(name, source, flags)
    }

    /// The same with another name; `--static-library` links the static library.
    pub fn compile_as(name: &str, source: &str, flags: &[&str]) -> Program {
        let path = Path::new(SCRATCH).join(format!("c-{name}"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let (is_static, flags): (Vec<&str>, Vec<&str>) =
            flags.iter().copied().partition(|flag| *flag == "--static-library");
        let mut libraries = pkg_config(!is_static.is_empty());
        let lib = installed().join("lib");
        if is_static.is_empty() {
            libraries.push(format!("-Wl,-rpath,{}", lib.display()));
        } else {
            // The linker would prefer the shared library.
            let archive = lib.join("libimage_cache.a").display().to_string();
            libraries
                .iter_mut()
                .filter(|it| *it == "-limage_cache")
                .for_each(|it| *it = archive.clone());
        }
        let mut cc = Command::new("cc");
        cc.args(flags).arg("-g").arg("-o").arg(&path).arg(source).args(libraries);
        let output = cc.output().expect("a C compiler is installed: SQLite needs it as well");
        assert!(output.status.success(), "{cc:?}: {}", String::from_utf8_lossy(&output.stderr));
        Program { path }
    }

    /// A path for this program, where nothing is.
    pub fn directory(&self, name: &str) -> PathBuf {
        let directory = self.path.with_extension(name);
        let _ = fs::remove_dir_all(&directory);
        let _ = fs::remove_file(&directory);
        directory
    }

    /// Runs it; its output.
    pub fn run(&self, arguments: &[&OsStr]) -> Vec<u8> {
        self.run_under(&[], arguments)
    }

    /// Runs it as the arguments of another program.
    pub fn run_under(&self, runner: &[&str], arguments: &[&OsStr]) -> Vec<u8> {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", SECONDS]).args(runner).arg(&self.path).args(arguments);
        command.env("CACHE_DIRECTORY", compiled()).stdin(Stdio::null());
        let output = command.output().expect("timeout runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {}: {error}", output.status);
        // Lines of valgrind about system calls that it does not know (openat2) begin with two dashes.
        let report = error.lines().find(|line| !line.starts_with("--"));
        assert!(runner.is_empty() || report.is_none(), "{command:?}: {error}");
        output.stdout
    }
}

/// The command that runs a program under valgrind, which then fails after an error of memory or a leak; or why not: it takes a minute,
/// so only a full run does.
pub fn valgrind() -> Result<Vec<&'static str>, String> {
    if env::var_os("IMAGE_CACHE_TEST_FULL").is_none_or(|full| full != "1") {
        return Err("no C program runs under valgrind without IMAGE_CACHE_TEST_FULL=1".into());
    }
    let found = Command::new("valgrind").arg("--version").output();
    found.map_err(|error| format!("valgrind does not run: {error}"))?;
    Ok(vec![
        "valgrind",
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite,indirect",
        "--errors-for-leak-kinds=definite,indirect",
    ])
}

/// Says that a part of a test was left out.
pub fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// The folder for compiled drivers, which must be private.
pub fn compiled() -> PathBuf {
    let folder = Path::new(SCRATCH).join("c-compiled");
    let _ = fs::DirBuilder::new().mode(0o700).create(&folder);
    folder
}

/// The flags that pkg-config states for the installed library.
fn pkg_config(is_static: bool) -> Vec<String> {
    let folder = installed().join("lib/pkgconfig");
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", &folder).args(is_static.then_some("--static"));
    command.args(["--cflags", "--libs", "image-cache"]);
    let Ok(output) = command.output() else {
        skip("pkg-config is not installed");
        let (prefix, private) = (installed().display(), install::PRIVATE);
        let flags = format!("-I{prefix}/include -L{prefix}/lib -limage_cache {private}");
        return flags.split(' ').map(str::to_owned).collect();
    };
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let flags = String::from_utf8(output.stdout).expect("flags");
    flags.split_whitespace().map(str::to_owned).collect()
}
