//! The client that all servers are measured by: one thread, which reads what comes and throws it away.

use image_cache_tests::http;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes that are read at once.
const ROOM: usize = 256 << 10;

/// No head of an answer is longer.
const MAX_HEAD: usize = 16 << 10;

/// A connection, which is kept alive as long as the server likes.
pub struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// An answer that came whole.
#[derive(Debug, Clone, Copy)]
pub struct Download {
    /// When the first byte of the body was there, and when the last one.
    pub first: Instant,
    pub last: Instant,
    pub bytes: u64,
}

/// What the head of an answer says.
struct Head {
    /// Bytes of it.
    size: usize,
    length: Option<u64>,
    closes: bool,
}

impl Client {
    pub fn of(address: SocketAddr) -> Client {
        Client { address, stream: None, buffer: vec![0; ROOM] }
    }

    /// Connects, where there is no connection yet.
    pub async fn connect(&mut self) -> io::Result<&mut TcpStream> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        self.stream.as_mut().ok_or_else(|| io::Error::other("it was connected just now"))
    }

    /// Downloads what lies under a path; anything but 200 and all its bytes is an error.
    pub async fn get(&mut self, target: &str) -> io::Result<Download> {
        self.ask(target).await?;
        let (head, mut bytes) = self.head().await?;
        let mut first = (bytes > 0).then(Instant::now);
        while head.length.is_none_or(|length| bytes < length) {
            let Some(stream) = self.stream.as_mut() else { break };
            let count = stream.read(&mut self.buffer).await?;
            if count == 0 {
                break;
            }
            first.get_or_insert_with(Instant::now);
            bytes += count as u64;
        }
        if head.closes {
            self.stream = None;
        }
        match head.length {
            Some(length) if length != bytes => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {
                let last = Instant::now();
                Ok(Download { first: first.unwrap_or(last), last, bytes })
            }
        }
    }

    /// Sends a request.
    pub async fn ask(&mut self, target: &str) -> io::Result<()> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.connect().await?.write_all(request.as_bytes()).await
    }

    /// Reads some of what comes; answers how many bytes that were.
    pub async fn read(&mut self, at_most: usize) -> io::Result<usize> {
        let room = at_most.min(ROOM);
        match self.stream.as_mut() {
            Some(stream) => stream.read(&mut self.buffer[..room]).await,
            None => Ok(0),
        }
    }

    /// Reads the head of an answer; answers how many bytes of the body came with it.
    async fn head(&mut self) -> io::Result<(Head, u64)> {
        let mut held = 0;
        loop {
            let Some(stream) = self.stream.as_mut() else {
                return Err(io::ErrorKind::NotConnected.into());
            };
            let count = stream.read(&mut self.buffer[held..]).await?;
            if count == 0 || held > MAX_HEAD {
                return Err(io::Error::other("there is no answer"));
            }
            held += count;
            if let Some(head) = Head::of(&self.buffer[..held])? {
                let body = (held - head.size) as u64;
                return Ok((head, body));
            }
        }
    }
}

impl Head {
    /// None if it is not complete yet.
    fn of(bytes: &[u8]) -> io::Result<Option<Head>> {
        let head = &bytes[..bytes.len().min(MAX_HEAD)];
        let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = http::Head::read(&mut &head[..end + 4])?.unwrap_or_default();
        if head.word(1) != "200" {
            return Err(io::Error::other(format!("it was answered: {}", head.line)));
        }
        let length = head.header("content-length").and_then(|length| length.parse().ok());
        let closes = length.is_none() || head.header("connection") == Some("close");
        Ok(Some(Head { size: end + 4, length, closes }))
    }
}
