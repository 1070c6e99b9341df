//! nginx from Debian's package, with `sendfile` and a `proxy_cache` in front of the same origin.

use super::process::{Process, log};
use image_cache_tests::debian;
use image_cache_tests::http::free_address;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// A running nginx.
pub struct Nginx {
    pub address: SocketAddr,
    _process: Process,
}

impl Nginx {
    /// Installs nginx if it is missing, and starts it.
    pub fn start(directory: &Path, origin: SocketAddr) -> io::Result<Nginx> {
        let program = installed()?;
        fs::create_dir_all(directory.join("cache"))?;
        let address = free_address()?;
        let settings = directory.join("nginx.conf");
        fs::write(&settings, self::settings(directory, address, origin))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(directory).arg("-c").arg(&settings);
        command.stderr(log(directory, "stderr")?);
        let mut process = Process::start(&mut command)?;
        process.listens_on(address)?;
        Ok(Nginx { address, _process: process })
    }
}

/// Its program, from Debian's package.
fn installed() -> io::Result<&'static str> {
    const PROGRAM: &str = "/usr/sbin/nginx";
    if Path::new(PROGRAM).exists() {
        return Ok(PROGRAM);
    }
    debian::install("nginx-light").map_err(io::Error::other)?;
    Ok(PROGRAM)
}

/// Without an access log, without `tcp_nopush` (which delays each response until an acknowledgement), and with persistent
/// connections, so that nothing slows it down.
fn settings(directory: &Path, address: SocketAddr, origin: SocketAddr) -> String {
    let directory = directory.display();
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "{user}
daemon off;
worker_processes 2;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 100000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/temp;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    proxy_cache_path {directory}/cache levels=1:2 keys_zone=images:16m max_size=100g inactive=1d use_temp_path=off;
    server {{
        listen {address};
        location / {{
            proxy_pass http://{origin};
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_cache images;
            proxy_cache_valid 200 1d;
            proxy_cache_lock on;
            proxy_cache_lock_age 1h;
            proxy_cache_lock_timeout 1h;
        }}
    }}
}}
"
    )
}
