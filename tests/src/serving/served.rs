//! The service in front of an origin, as a process of its own with a cache of its own.

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
    /// In front of this URL, with these options.
    pub fn before(url: &str, options: &[&str]) -> Served {
        Served::on(TempCache::new("sqlite"), url, options)
    }

    /// With a cache that exists.
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

    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.address).expect("it listens")
    }

    /// One request on a connection of its own.
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

    /// Waits until nothing is being fetched.
    pub fn is_idle(&self) -> bool {
        until(|| self.temp.names("incomplete").is_empty())
    }

    fn pid(&self) -> Tested<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.child.id())?).ok_or("no process")?)
    }

    /// Does something while the service may have this many descriptors more than it has, or fewer.
    pub fn with_few_descriptors<T>(&self, more: isize, act: impl FnOnce() -> T) -> Tested<T> {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count();
        let current = Some(open.saturating_add_signed(more) as u64);
        let few = Rlimit { current, maximum: getrlimit(Resource::Nofile).maximum };
        let usual = prlimit(Some(self.pid()?), Resource::Nofile, few)?;
        let done = act();
        prlimit(Some(self.pid()?), Resource::Nofile, usual)?;
        Ok(done)
    }

    /// Stops it in order, and returns its cache once it has ended.
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
