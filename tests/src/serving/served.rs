//! The service in front of an origin, as a separate process with its own cache.

use super::{binary, read_address};
use crate::http::{Client, Response};
use crate::{TempCache, Tested, until};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use std::io::{self, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// The service, with its cache; it is killed at the end.
pub struct Served {
    /// Its cache.
    pub temp: TempCache,
    child: Child,
    address: SocketAddr,
}

impl Served {
    /// Starts the service in front of this URL, with these options.
    pub fn before(url: &str, options: &[&str]) -> Served {
        Served::on(TempCache::new("sqlite"), url, options)
    }

    /// Starts the service with an existing cache.
    pub fn on(temp: TempCache, url: &str, options: &[&str]) -> Served {
        let mut command = Command::new(binary());
        command.env_clear().env("CACHE_DIRECTORY", std::env::temp_dir().join("image-cache-tests"));
        command.arg("--cache-dir").arg(temp.dir()).args([
            "--driver",
            temp.driver(),
            "serve",
            "--listen",
            "127.0.0.1:0",
        ]);
        command.args(["--admin-listen", "none", "--upstream", url]).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let address = read_address(&mut output, "listening on ").unwrap_or_else(|e| panic!("{e}"));
        // A closed pipe must not kill the service when it writes.
        std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        Served { temp, child, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.address).expect("it listens")
    }

    /// One request on its own connection.
    pub fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Response> {
        self.client().ask(method, target, headers)
    }

    /// A GET on its own connection.
    pub fn get(&self, target: &str) -> io::Result<Response> {
        self.ask("GET", target, &[])
    }

    /// Waits until an image is cached under this id.
    pub fn is_cached(&self, id: &str) -> bool {
        until(|| self.temp.path(id).is_file())
    }

    /// Whether an image is cached under this id, now.
    pub fn has(&self, id: &str) -> bool {
        self.temp.path(id).is_file()
    }

    /// Waits until no fetch runs.
    pub fn is_idle(&self) -> bool {
        until(|| self.temp.names("incomplete").is_empty())
    }

    fn pid(&self) -> Tested<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.child.id())?).ok_or("no process")?)
    }

    /// Calls a function while the service has a limit of its current descriptors plus this many, or minus this many.
    pub fn with_few_descriptors<T>(&self, more: isize, act: impl FnOnce() -> T) -> Tested<T> {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count();
        let current = Some(open.saturating_add_signed(more) as u64);
        let few = Rlimit { current, maximum: getrlimit(Resource::Nofile).maximum };
        let usual = prlimit(Some(self.pid()?), Resource::Nofile, few)?;
        let done = act();
        prlimit(Some(self.pid()?), Resource::Nofile, usual)?;
        Ok(done)
    }

    /// Stops the service with SIGTERM, and returns its cache after it has ended.
    pub fn stop(mut self) -> Tested<TempCache> {
        kill_process(self.pid()?, Signal::TERM)?;
        let status = self.child.wait()?;
        assert!(status.success(), "it ended with {status}");
        let temp = std::mem::replace(&mut self.temp, TempCache::at("sqlite", ""));
        Ok(temp)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
