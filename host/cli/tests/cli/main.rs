//! The command line as a shell uses it: the real binary, its exit codes, standard output and standard error.

mod adding;
mod answers;
mod author;
mod check;
mod configuration;
mod damage;
mod drivers;
mod explain;
mod fallback;
mod languages;
mod leftovers;
mod migrate;
mod pins;
mod refused;
mod simulate;
mod streams;
mod templates;
mod terminal;
mod unlisted;

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// MD5 of `hello`.
const HELLO_MD5: &str = "5d41402abc4b2a76b9719d911017c592";

/// SHA-256 and SHA-512 of `hello`.
const HELLO_SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const HELLO_SHA512: &str = "9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043";

/// A separate cache for a test.
struct Scratch {
    directory: TempDir,
}

/// The result of a command.
struct Answer {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

impl Scratch {
    fn new() -> Scratch {
        Scratch { directory: TempDir::new().expect("a temporary directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn cache_dir(&self) -> PathBuf {
        self.path("cache")
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a file in the temporary directory");
        path
    }

    /// The binary on this cache, with no option from the environment.
    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = bare();
        command.arg("--cache-dir").arg(self.cache_dir()).args(arguments);
        command
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Answer {
        self.command(arguments).answer()
    }

    /// The same with these bytes on standard input.
    fn feed<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        bytes: &[u8],
    ) -> Answer {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut stdin = child.stdin.take().expect("it was piped");
        // It may end without reading all bytes.
        let _ = stdin.write_all(bytes);
        drop(stdin);
        child.wait_with_output().expect("the binary ends").into()
    }

    fn json<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> serde_json::Value {
        let answer = self.command(["--format", "json"]).args(arguments).answer();
        answer.json()
    }

    fn add_hello(&self, id: &str) {
        let answer = self.feed(["add", id, "-"], b"hello");
        assert_eq!(answer.code, Some(0), "{}", answer.err);
    }
}

/// The binary without arguments. Tests share compiled drivers, in a directory that is not the user's.
fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image-cache"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("IMAGE_CACHE_")) {
            command.env_remove(name);
        }
    }
    command
        .env_remove("CACHE_DIRECTORY")
        .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("xdg"));
    command
}

trait Answering {
    fn answer(&mut self) -> Answer;
}

impl Answering for Command {
    fn answer(&mut self) -> Answer {
        self.stdin(Stdio::null()).output().expect("the binary runs").into()
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Answer {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!err.contains("panicked"), "{err}");
        Answer { code: output.status.code(), out: output.stdout, err }
    }
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("UTF-8 on standard output")
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {:?}, {}", self.text(), self.err))
    }

    /// Checks that it ended with this code and this text on standard error.
    #[track_caller]
    fn failed(&self, code: i32, said: &str) {
        assert_eq!(self.code, Some(code), "{}", self.err);
        assert!(self.err.contains(said), "{said:?} is not in: {}", self.err);
    }

    /// Checks that it succeeded, and printed nothing on standard error.
    #[track_caller]
    fn done(&self) -> &str {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""));
        self.text()
    }
}
