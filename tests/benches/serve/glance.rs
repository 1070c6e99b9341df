//! Glance 33 with its own cache, from PyPI, installed below `target/`: a typical installation.

use super::origin::{Image, pattern};
use super::process::{Process, log, run};
use image_cache_tests::glance::installed_with;
use image_cache_tests::http::free_address;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The web server for Glance, as in typical installations.
const SERVER: [&str; 1] = ["uwsgi==2.0.31"];

/// Every policy allows everything, because there is no Keystone.
const POLICY: &str = "\
import glance.policies, json, sys
open(sys.argv[1], 'w').write(json.dumps({rule.name: '@' for rule in glance.policies.list_rules()}))
";

/// A running Glance API.
pub struct Glance {
    pub address: SocketAddr,
    _process: Process,
}

impl Glance {
    /// Installs Glance if it is missing, and starts it with an empty cache.
    pub fn start(directory: &Path) -> io::Result<Glance> {
        let home = installed()?;
        let address = free_address()?;
        fs::create_dir_all(directory.join("lock"))?;
        fs::write(directory.join("glance-api.conf"), settings(&home, directory, address))?;
        let mut policy = Command::new(home.join("bin/python"));
        run(policy.args(["-c", POLICY]).arg(directory.join("policy.yaml")))?;
        let mut database = Command::new(home.join("bin/glance-manage"));
        run(database.arg("--config-dir").arg(directory).arg("db_sync"))?;
        let mut uwsgi = Command::new(home.join("bin/uwsgi"));
        uwsgi.args(["--http-socket", &address.to_string(), "--add-header", "Connection: close"]);
        uwsgi.args(["--module", "glance.wsgi.api:application", "--master", "--lazy-apps"]);
        uwsgi.args(["--processes", "2", "--threads", "4", "--enable-threads", "--die-on-term"]);
        uwsgi.args(["--thunder-lock", "--buffer-size", "65535", "--socket-timeout", "600"]);
        uwsgi.args(["--need-app", "--disable-logging", "--venv"]).arg(&home);
        uwsgi.env("OS_GLANCE_CONFIG_DIR", directory);
        uwsgi.stdout(log(directory, "stdout")?).stderr(log(directory, "stderr")?);
        let mut process = Process::start(&mut uwsgi)?;
        process.listens_on(address)?;
        Ok(Glance { address, _process: process })
    }

    /// Uploads an image.
    pub fn add(&self, image: Image) -> io::Result<()> {
        let record = format!(
            r#"{{"id": "{}", "name": "bench", "disk_format": "raw", "container_format": "bare"}}"#,
            image.id()
        );
        let once = |bytes: &[u8]| (bytes.to_vec(), bytes.len() as u64);
        self.send("POST", "/v2/images", "application/json", once(record.as_bytes()))?;
        let data = (pattern(0), image.size);
        self.send("PUT", &image.target(), "application/octet-stream", data)
    }

    /// Sends these bytes repeatedly until this number of bytes is reached.
    fn send(
        &self,
        method: &str,
        target: &str,
        kind: &str,
        (piece, size): (Vec<u8>, u64),
    ) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.address)?;
        write!(stream, "Content-Type: {kind}\r\nContent-Length: {size}\r\n\r\n")?;
        let mut left = size;
        while left > 0 {
            let count = left.min(piece.len() as u64);
            stream.write_all(&piece[..usize::try_from(count).unwrap_or(piece.len())])?;
            left -= count;
        }
        let mut answer = BufReader::new(stream);
        let mut status = String::new();
        answer.read_line(&mut status)?;
        if status.split_whitespace().nth(1).is_some_and(|status| status.starts_with('2')) {
            return Ok(());
        }
        let mut words = String::new();
        answer.take(1 << 16).read_to_string(&mut words)?;
        Err(io::Error::other(format!("{method} {target} was answered {status}{words}")))
    }
}

/// The virtual environment.
fn installed() -> io::Result<PathBuf> {
    installed_with(&SERVER).map_err(|error| io::Error::other(error.to_string()))
}

fn settings(home: &Path, directory: &Path, address: SocketAddr) -> String {
    let (home, directory) = (home.display(), directory.display());
    format!(
        "[DEFAULT]
log_file = {directory}/api.log
enabled_backends = store:file
worker_self_reference_url = http://{address}
image_cache_dir = {directory}/cache
image_cache_driver = sqlite
[database]
connection = sqlite:///{directory}/glance.sqlite
[glance_store]
default_backend = store
[store]
filesystem_store_datadir = {directory}/store
[os_glance_staging_store]
filesystem_store_datadir = {directory}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {directory}/tasks
[oslo_concurrency]
lock_path = {directory}/lock
[oslo_messaging_notifications]
driver = noop
[oslo_policy]
policy_file = {directory}/policy.yaml
[paste_deploy]
flavor = caching
config_file = {home}/etc/glance/glance-api-paste.ini
"
    )
}
