//! A cache with one file of each kind; each command and the service are run with one of these files replaced.

use super::kind::Kind;
use super::outside::Outside;
use image_cache_tests::http::{GlanceOrigin, get};
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, until};
use rustix::process::geteuid;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Five times the longest permitted wait.
const BOUND: Duration = Duration::from_secs(5);

/// The owner of the cache directory if root opens it.
const SOMEBODY: u32 = 65_534;

/// The commands, which run one after the other.
const COMMANDS: [&[&str]; 13] = [
    &["status"],
    &["list"],
    &["show", "a"],
    &["show", "x"],
    &["verify", "--all"],
    &["queue", "list"],
    &["queue", "add", "n"],
    &["add", "x", "IMAGE"],
    &["delete", "a"],
    &["add", "a", "IMAGE"],
    &["prune"],
    &["clean"],
    &["status"],
];

/// A cache with one file of each kind, in a setup with an origin.
pub struct Planted {
    pub setup: Setup,
    pub origin: GlanceOrigin,
    pub outside: Outside,
    pub image: String,
}

impl Planted {
    pub fn new() -> Tested<Planted> {
        let setup = Setup::new();
        let image = setup.file("image", "hello, you").display().to_string();
        let origin = GlanceOrigin::start();
        origin.put("one", bytes(1, 100_000));
        origin.put("x", bytes(2, 50_000));
        let outside = Outside::make(setup.path("outside"))?;
        setup.run(&["add", "a", &image])?;
        setup.run(&["queue", "add", "q"])?;
        let service = setup.serve(&origin.url(), &["--prefetch-at-once", "0"])?;
        assert_eq!(get(service.clients, "/v2/images/one/file")?.status, 200);
        assert!(until(|| setup.dir().join(".image-cache/http/one").exists()), "{}", service.log());
        service.stop()?;
        setup.run(&["--driver", "xattr", "status"])?;
        for left in [
            "incomplete/x",
            "invalid/x",
            ".image-cache/http/.promised/one",
            ".image-cache/http/.new-0123456789abcdef",
            ".image-cache/blocks/0123456789abcdef0123456789abcdef.1-0.new",
        ] {
            fs::write(setup.dir().join(left), "{}")?;
        }
        if geteuid().is_root() {
            give_away(&setup.dir())?;
        }
        fs::rename(setup.dir(), setup.path("template"))?;
        Ok(Planted { setup, origin, outside, image })
    }

    /// Every file and folder in it, except those of SQLite.
    pub fn targets(&self) -> Tested<Vec<PathBuf>> {
        let template = self.setup.path("template");
        let mut found = Vec::new();
        list(&template, &template, &mut found)?;
        found.sort();
        let is_sqlites = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("cache.db") || name == "database.lock"
        };
        found.retain(|path| !is_sqlites(path));
        assert!(found.len() >= 18, "{found:?}");
        Ok(found)
    }

    /// Restores the initial directory.
    pub fn restore(&self) -> Tested {
        if self.setup.dir().exists() {
            fs::remove_dir_all(self.setup.dir())?;
        }
        let copied = Command::new("cp")
            .arg("-a")
            .arg(self.setup.path("template"))
            .arg(self.setup.dir())
            .status()?;
        assert!(copied.success());
        Ok(())
    }

    /// Runs every command and the service, with one file replaced by an object.
    pub fn try_all(&self, kind: Kind, target: &Path) -> Tested {
        self.restore()?;
        if !kind.plant(&self.setup.dir().join(target), &self.outside)? {
            return Ok(());
        }
        // This lock belongs to the xattr driver.
        let driver = if target.ends_with("attributes.lock") { "xattr" } else { "sqlite" };
        for command in COMMANDS {
            let words = command.iter().map(|word| match *word {
                "IMAGE" => self.image.as_str(),
                word => word,
            });
            let words: Vec<&str> = ["--driver", driver].into_iter().chain(words).collect();
            ends(self.setup.command(&words))?;
            self.outside.is_unchanged().map_err(|error| format!("{command:?}: {error}"))?;
        }
        self.try_service(driver)?;
        self.outside.is_unchanged().map_err(|error| format!("serve: {error}").into())
    }

    /// If the service starts, its responses have the correct bytes.
    fn try_service(&self, driver: &str) -> Tested {
        let mut command = self.setup.serving(&self.origin.url(), &["--prefetch-at-once", "0"]);
        command.args(["--driver", driver]);
        let service = match within(move || Service::start(command).map_err(|e| e.to_string()))? {
            Ok(service) => service,
            // A required file is not a regular file, and the error names it.
            Err(words) if words.contains("/cache/") || words.contains(".image-cache/") => {
                return Ok(());
            }
            Err(words) => return Err(words.into()),
        };
        let clients = service.clients;
        for (id, image) in [("one", bytes(1, 100_000)), ("x", bytes(2, 50_000))] {
            let path = format!("/v2/images/{id}/file");
            let answer = within(move || get(clients, &path).map_err(|e| e.to_string()))??;
            // The file that was added above is also valid for `x`.
            let is_right = answer.body == image || (id == "x" && answer.text() == "hello, you");
            assert!(answer.status == 200 && is_right, "{id}: {answer:?}: {}", service.log());
        }
        assert_eq!(service.manage("GET", "/healthz")?.status, 200);
        let (status, log) = service.stop()?;
        assert!(status.success() && !log.contains("panicked"), "{log}");
        Ok(())
    }
}

pub fn list(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) -> Tested {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        found.push(path.strip_prefix(root)?.to_owned());
        if path.is_dir() {
            list(root, &path, found)?;
        }
    }
    Ok(())
}

fn give_away(path: &Path) -> Tested {
    chown(path, Some(SOMEBODY), Some(SOMEBODY))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give_away(&entry?.path())?;
        }
    }
    Ok(())
}

/// Runs a program, which ends soon by itself: successfully, or with an error message.
pub fn ends(mut command: Command) -> Tested {
    let words = format!("{command:?}");
    let log = tempfile::tempfile()?;
    let mut child = command.stdout(log.try_clone()?).stderr(log.try_clone()?).spawn()?;
    let until = Instant::now() + BOUND;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() > until => {
                child.kill()?;
                child.wait()?;
                return Err(format!("it waits: {words}").into());
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let mut said = vec![0; 4000];
    let count = std::os::unix::fs::FileExt::read_at(&log, &mut said, 0)?;
    let said = String::from_utf8_lossy(&said[..count]);
    match status.code() {
        Some(0..=4) if !said.contains("panicked") => Ok(()),
        _ => Err(format!("{status}: {words}: {said}").into()),
    }
}

/// Runs a function on its own thread, and waits at most as long as the bound.
fn within<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Tested<T> {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    wait.recv_timeout(BOUND).map_err(|_| "the service does not respond in time".into())
}
