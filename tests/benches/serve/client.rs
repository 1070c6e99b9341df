//! The client for measuring all servers: one thread, which reads responses and discards them.

use image_cache_tests::http;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes in one read.
const ROOM: usize = 256 << 10;

/// The maximum size of a response header.
const MAX_HEAD: usize = 16 << 10;

/// A connection, which is kept alive as long as the server permits it.
pub struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// A complete response.
#[derive(Debug, Clone, Copy)]
pub struct Download {
    /// The time of the first byte of the body, and of the last one.
    pub first: Instant,
    pub last: Instant,
    pub bytes: u64,
}

/// The header of a response.
struct Head {
    /// Its size in bytes.
    size: usize,
    length: Option<u64>,
    closes: bool,
}

impl Client {
    pub fn of(address: SocketAddr) -> Client {
        Client { address, stream: None, buffer: vec![0; ROOM] }
    }

    /// Connects if there is no connection yet.
    pub async fn connect(&mut self) -> io::Result<&mut TcpStream> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        self.stream.as_mut().ok_or_else(|| io::Error::other("it was connected just now"))
    }

    /// Downloads a path; any status except 200 and an incomplete body are errors.
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

    /// Reads available bytes; returns their number.
    pub async fn read(&mut self, at_most: usize) -> io::Result<usize> {
        let room = at_most.min(ROOM);
        match self.stream.as_mut() {
            Some(stream) => stream.read(&mut self.buffer[..room]).await,
            None => Ok(0),
        }
    }

    /// Reads the header of a response; returns the number of body bytes that came with it.
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
