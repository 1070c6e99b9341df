//! A client of HTTP as small as can be: one request, one connection, everything that comes.

use crate::Tested;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// All bytes behind the head.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; anything else fails the test.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// A GET.
pub fn get(server: SocketAddr, path: &str) -> Tested<Answer> {
    send(server, "GET", path, &[])
}

/// Sends a request without a body, and reads until the server closes.
pub fn send(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Tested<Answer> {
    let mut stream = begin(server, method, path, headers)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer)
}

/// Sends a request; the answer is the caller's to read.
pub fn begin(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Tested<TcpStream> {
    let mut stream = connect(server)?;
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n{headers}\r\n"
    )?;
    Ok(stream)
}

/// A connection.
pub fn connect(server: SocketAddr) -> Tested<TcpStream> {
    let stream = TcpStream::connect(server)?;
    // Rather an error than a test that hangs.
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// An answer out of all its bytes.
pub fn parse(answer: &[u8]) -> Tested<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no head")?;
    let head = std::str::from_utf8(&answer[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or("no status")?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers = lines.filter_map(header).collect();
    Ok(Answer { status: status.parse()?, headers, body: answer[end + 4..].to_vec() })
}
