//! The service in front of an origin, as a process of its own with a cache of its own.

use crate::client::{Answer, Client};
use crate::origin::{Asked, Origin, file, head, reply};
use image_cache_tests::{TempCache, Tested, md5_hex, until};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// The binary beside the tests: `cargo test --workspace` builds it.
fn binary() -> PathBuf {
    let tests = std::env::current_exe().expect("the test is a file");
    let profile = tests.parent().and_then(|deps| deps.parent()).expect("it lies in target/*/deps");
    let binary = profile.join("image-cache");
    assert!(binary.is_file(), "{} is missing: test the whole workspace", binary.display());
    binary
}

/// The service, with its cache; it is killed at the end.
pub struct Served {
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
        command.arg("--cache-dir").arg(temp.dir()).args(["serve", "--listen", "127.0.0.1:0"]);
        command.args(["--admin-listen", "none", "--upstream", url]).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        let _ = output.read_line(&mut line);
        let address = line.trim().strip_prefix("listening on ").and_then(|it| it.parse().ok());
        let address =
            address.unwrap_or_else(|| panic!("it does not say where it listens: {line:?}"));
        // A closed pipe must not kill the service when it writes.
        std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        Served { temp, child, address }
    }

    pub fn client(&self) -> Client {
        Client::of(self.address).expect("it listens")
    }

    /// One request on a connection of its own.
    pub fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
        self.client().ask(method, target, headers)
    }

    pub fn get(&self, target: &str) -> io::Result<Answer> {
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

    /// Does something while the service may have so many descriptors more than it has, or fewer.
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

/// An image of a Glance that is none.
#[derive(Debug, Clone)]
pub struct Image {
    pub status: &'static str,
    pub bytes: Vec<u8>,
    pub md5: String,
    /// Whose token may download it; anybody's where there is none.
    pub token: Option<&'static str>,
    /// Whether its store can read ranges.
    pub has_ranges: bool,
}

/// What of the Glance API the service sees, and images that the test can change.
#[derive(Clone, Default)]
pub struct Glance {
    images: Arc<Mutex<BTreeMap<String, Image>>>,
}

impl Glance {
    pub fn with(id: &str, bytes: &[u8]) -> Glance {
        let glance = Glance::default();
        glance.put(id, bytes);
        glance
    }

    pub fn put(&self, id: &str, bytes: &[u8]) {
        let image = Image {
            status: "active",
            bytes: bytes.to_vec(),
            md5: md5_hex(bytes),
            token: None,
            has_ranges: true,
        };
        self.lock().insert(id.to_owned(), image);
    }

    pub fn change(&self, id: &str, change: impl FnOnce(&mut Image)) {
        change(self.lock().get_mut(id).expect("it is there"));
    }

    pub fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Image>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Over real sockets.
    pub fn origin(&self) -> Origin {
        let glance = self.clone();
        Origin::new(move |asked, output| glance.answer(asked, output))
    }

    /// Answers as Glance does.
    pub fn answer(&self, asked: &Asked, output: &mut TcpStream) -> io::Result<()> {
        let target = asked.target.replace("%61", "a");
        let Some(rest) = target.strip_prefix("/v2/images/") else {
            return reply(output, "200 OK", &[("X-Other", "yes")], b"something else");
        };
        let (id, is_file) = match rest.strip_suffix("/file") {
            Some(id) => (id, true),
            None => (rest, false),
        };
        let image = self.lock().get(id).cloned();
        let Some(image) = image else { return reply(output, "404 Not Found", &[], b"no image") };
        match (asked.method.as_str(), is_file) {
            ("DELETE", false) => {
                self.remove(id);
                head(output, "204 No Content", &[], None)
            }
            ("GET", false) => {
                let (status, md5, size) = (image.status, &image.md5, image.bytes.len());
                let record = format!(
                    r#"{{"id": "{id}", "status": "{status}", "checksum": "{md5}", "size": {size}}}"#
                );
                reply(output, "200 OK", &[("Content-Type", "application/json")], record.as_bytes())
            }
            ("GET", true) if image.status != "active" => {
                reply(output, "403 Forbidden", &[], b"deactivated")
            }
            ("GET", true)
                if image.token.is_some_and(|t| asked.header("x-auth-token") != Some(t)) =>
            {
                reply(output, "403 Forbidden", &[], b"not yours")
            }
            ("GET", true) if asked.header("range").is_some() && !image.has_ranges => {
                reply(output, "400 Bad Request", &[], b"no ranges")
            }
            ("GET", true) => {
                let headers =
                    [("Content-Type", "application/octet-stream"), ("Content-MD5", &image.md5)];
                file(asked, output, &headers, &image.bytes)
            }
            ("PUT", true) => head(output, "204 No Content", &[], None),
            _ => reply(output, "405 Method Not Allowed", &[], b""),
        }
    }
}

/// The path of an image's data.
pub fn data(id: &str) -> String {
    format!("/v2/images/{id}/file")
}
