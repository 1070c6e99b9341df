//! `image-cache serve`, built for release, with its own cache.

use super::process::{Process, log};
use image_cache_tests::serving::read_address;
use std::io::{self, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// A running service.
pub struct Service {
    pub address: SocketAddr,
    pub process: Process,
}

impl Service {
    /// Starts it in front of this upstream, with a new cache below the directory, and these options.
    pub fn start(
        directory: &Path,
        binary: &Path,
        upstream: SocketAddr,
        options: &[&str],
    ) -> io::Result<Service> {
        std::fs::create_dir_all(directory)?;
        let mut command = Command::new(binary);
        command.env_clear().env("CACHE_DIRECTORY", directory.join("compiled"));
        command.arg("--cache-dir").arg(directory.join("images")).args(["--max-size", "100 GiB"]);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.args(["--upstream", &format!("http://{upstream}")]).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log(directory, "log")?);
        let mut child = command.spawn()?;
        let output = child.stdout.take();
        let process = Process::of(child);
        let mut output = BufReader::new(output.ok_or_else(|| io::Error::other("it is piped"))?);
        let address = read_address(&mut output, "listening on ");
        std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        let address = address.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Service { address, process })
    }
}
