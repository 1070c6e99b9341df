//! The real binary as a service.

mod served;

pub use served::Served;

use crate::http::{self, Response};
use crate::{Tested, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tempfile::TempDir;

/// The binary, which `cargo test --workspace` builds for the tests in `host/cli/`.
pub fn binary() -> PathBuf {
    beside_this_program().expect("image-cache is built beside the tests: test the whole workspace")
}

/// The path of the binary if cargo built it together with this program.
pub(crate) fn beside_this_program() -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?.parent()?.parent()?.join("image-cache");
    binary.is_file().then_some(binary)
}

/// The cache of a service, and the program that serves it.
pub struct Setup {
    /// The program.
    pub binary: PathBuf,
    scratch: TempDir,
}

impl Setup {
    /// A setup in a temporary directory.
    pub fn new() -> Setup {
        let scratch = TempDir::new().expect("a temporary directory can be made");
        Setup { binary: binary(), scratch }
    }

    /// The cache directory.
    pub fn dir(&self) -> PathBuf {
        self.scratch.path().join("cache")
    }

    /// A file beside the cache.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.scratch.path().join(name);
        std::fs::write(&path, content).expect("it can be written");
        path
    }

    /// The path of a file beside the cache.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A command on this cache.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("XDG_CACHE_HOME", self.scratch.path().join("compiled"));
        command.arg("--cache-dir").arg(self.dir()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command on this cache to its end; it must succeed.
    pub fn run(&self, arguments: &[&str]) -> Tested<String> {
        let output = self.command(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(format!("{arguments:?}: {}: {said}", output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// `serve` in front of an upstream, on its own ports.
    pub fn serve(&self, upstream: &str, arguments: &[&str]) -> Tested<Service> {
        Service::start(self.serving(upstream, arguments))
    }

    /// The same, not started yet.
    pub fn serving(&self, upstream: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(&["-v", "serve", "--upstream", upstream]);
        command.args(["--listen", "127.0.0.1:0"]);
        if !arguments.contains(&"--admin-listen") {
            command.args(["--admin-listen", "127.0.0.1:0"]);
        }
        command.args(arguments);
        command
    }

    /// The entries of one of the cache's directories.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir().join(folder)).into_iter().flatten();
        entries.map_while(Result::ok).map(|it| it.file_name().to_string_lossy().into()).collect()
    }
}

impl Default for Setup {
    fn default() -> Self {
        Setup::new()
    }
}

/// A running service, which is killed when dropped.
pub struct Service {
    child: Child,
    /// The address for clients.
    pub clients: SocketAddr,
    /// The address for operators.
    pub admin: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Service {
    /// Starts it, and waits until it listens.
    pub fn start(mut command: Command) -> Tested<Service> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let log = Arc::<Mutex<String>>::default();
        let (theirs, errors) = (Arc::clone(&log), child.stderr.take().ok_or("it is piped")?);
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut log = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                *log += &(line + "\n");
            }
        });
        let mut said = BufReader::new(child.stdout.take().ok_or("it is piped")?);
        let mut address = |what: &str| {
            read_address(&mut said, what).map_err(|error| {
                thread::sleep(std::time::Duration::from_millis(200));
                format!("{error}: {}", log.lock().unwrap_or_else(PoisonError::into_inner))
            })
        };
        let (clients, admin) = (address("listening on ")?, address("admin listening on ")?);
        Ok(Service { child, clients, admin, log })
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the log has such a line.
    pub fn logs(&self, words: &str) -> bool {
        until(|| self.log().contains(words))
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Tested {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?).ok_or("it has a process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Stops it, and waits for its end.
    pub fn stop(mut self) -> Tested<(ExitStatus, String)> {
        self.signal(Signal::TERM)?;
        let status = self.wait()?;
        Ok((status, self.log()))
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> Tested<ExitStatus> {
        let mut ended = None;
        until(|| {
            ended = self.child.try_wait().ok().flatten();
            ended.is_some()
        });
        ended.ok_or_else(|| format!("it does not end: {}", self.log()).into())
    }

    /// A request to the admin listener.
    pub fn manage(&self, method: &str, path: &str) -> Tested<Response> {
        http::send(self.admin, method, path, &[])
    }

    /// A JSON document of the admin listener.
    pub fn look(&self, path: &str) -> Value {
        let answer = http::get(self.admin, path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// The ids of the cached images.
    pub fn cached(&self) -> Vec<String> {
        let listed = self.look("/v2/cached_images");
        let images = listed["cached_images"].as_array().cloned().unwrap_or_default();
        images.iter().filter_map(|it| Some(it["image_id"].as_str()?.to_owned())).collect()
    }

    /// The ids in the queue.
    pub fn queued(&self) -> Vec<String> {
        let listed = self.look("/v2/queued_images");
        let ids = listed["queued_images"].as_array().cloned().unwrap_or_default();
        ids.iter().filter_map(|it| Some(it.as_str()?.to_owned())).collect()
    }

    /// A number from /metrics; `name` includes its labels.
    pub fn number(&self, name: &str) -> Option<f64> {
        let page = http::get(self.admin, "/metrics").ok()?.text();
        page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the line in which a service prints its address.
///
/// # Errors
/// If the line is different.
pub fn read_address(output: &mut impl BufRead, what: &str) -> Tested<SocketAddr> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    let address = line.trim().strip_prefix(what).and_then(|address| address.parse().ok());
    address.ok_or_else(|| format!("it printed {line:?}, not {what:?} and an address").into())
}

/// Starts a service that must fail to start; returns its exit code and its output.
pub fn refused(mut command: Command) -> Tested<(Option<i32>, String)> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut ended = None;
    until(|| {
        ended = child.try_wait().ok().flatten();
        ended.is_some()
    });
    let _ = child.kill();
    let mut said = String::new();
    child.stderr.take().ok_or("it is piped")?.read_to_string(&mut said)?;
    Ok((ended.ok_or("it serves")?.code(), said))
}

/// Replaces the content of a file atomically, like a program that renews a secret.
pub fn replace(path: &Path, content: &str) -> Tested {
    let fresh = path.with_extension("fresh");
    std::fs::write(&fresh, content)?;
    Ok(std::fs::rename(fresh, path)?)
}
