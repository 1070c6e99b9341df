//! A real Glance API on loopback: tests create, change and remove images like its users.

use super::{fixture, python};
use crate::Tested;
use crate::http::{Response, begin, read_to_close};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// A running Glance API; it ends when it is dropped.
///
/// The token `admin` may do everything; `member` and `leaver` may read public images.
pub struct GlanceApi {
    home: TempDir,
    child: Child,
    address: SocketAddr,
    /// Its database permits one writer at a time.
    writing: Mutex<()>,
}

impl GlanceApi {
    /// None, with a message, if Glance cannot be installed.
    pub fn start() -> Tested<Option<GlanceApi>> {
        let Some(python) = python() else { return Ok(None) };
        let home = TempDir::new()?;
        std::fs::write(home.path().join("people.json"), everybody().to_string())?;
        let log = std::fs::File::create(home.path().join("output"))?;
        let mut command = Command::new(python);
        command.arg(fixture("api.py")).arg(home.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn()?;
        let said = child.stdout.take().ok_or("it is piped")?;
        let port = BufReader::new(said)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on ")?.trim().parse::<u16>().ok());
        let Some(port) = port else {
            let said = std::fs::read_to_string(home.path().join("output"))?;
            return Err(format!("the Glance API does not start: {said}").into());
        };
        let address = ([127, 0, 0, 1], port).into();
        Ok(Some(GlanceApi { home, child, address, writing: Mutex::default() }))
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Prevents changes by others: SQLite refuses a second writer.
    pub fn alone(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a public image with these bytes; returns its id.
    pub fn add(&self, bytes: &[u8]) -> Tested<String> {
        let _alone = self.alone();
        let image = json!({
            "name": "test", "disk_format": "raw", "container_format": "bare", "visibility": "public",
        });
        let made =
            self.send("POST", "/v2/images", "application/json", image.to_string().as_bytes())?;
        let id = made.json()["id"].as_str().ok_or("an id")?.to_owned();
        let path = format!("/v2/images/{id}/file");
        let uploaded = self.send("PUT", &path, "application/octet-stream", bytes)?;
        assert_eq!(uploaded.status, 204, "{uploaded:?}");
        Ok(id)
    }

    /// An administrator's request without a body; it must succeed.
    pub fn order(&self, method: &str, path: &str) -> Tested {
        let _alone = self.alone();
        let answer = self.send(method, path, "application/json", b"")?;
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        Ok(())
    }

    /// Revokes a token.
    pub fn revoke(&self, token: &str) -> Tested {
        let mut people = everybody();
        people.as_object_mut().ok_or("an object")?.remove(token);
        let (path, fresh) = (self.home.path().join("people.json"), self.home.path().join("fresh"));
        std::fs::write(&fresh, people.to_string())?;
        Ok(std::fs::rename(fresh, path)?)
    }

    /// The file in which its store has the bytes of an image.
    pub fn stored(&self, id: &str) -> PathBuf {
        self.home.path().join("store").join(id)
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Tested<Response> {
        let length = body.len().to_string();
        let headers =
            [("X-Auth-Token", "admin"), ("Content-Type", kind), ("Content-Length", &*length)];
        let mut stream = begin(self.address, method, path, &headers)?;
        stream.write_all(body)?;
        read_to_close(stream)
    }
}

fn everybody() -> Value {
    let readers = ["member", "reader"];
    json!({"admin": ["admin", "member", "reader"], "member": readers, "leaver": readers})
}

impl Drop for GlanceApi {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
