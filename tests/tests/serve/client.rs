//! A client over real sockets that sends what it is told, byte for byte.

use crate::origin::chunked;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a test waits for bytes that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub struct Client {
    input: BufReader<TcpStream>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case; several lines of one name are joined by commas.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// Whether it came whole.
    pub is_whole: bool,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// What it says of where its bytes came from.
    pub fn cache(&self) -> &str {
        self.header("x-cache").unwrap_or("nothing")
    }

    /// Its status, origin, and whether it is exactly these bytes.
    #[track_caller]
    pub fn must_be(&self, status: u16, cache: &str, body: &[u8]) {
        let found = (self.status, self.cache(), self.is_whole, self.body.len());
        assert_eq!(found, (status, cache, true, body.len()), "{:?}", self.headers);
        assert!(self.body == body, "its bytes are others");
    }
}

impl Client {
    pub fn of(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { input: BufReader::new(stream) })
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.input.get_mut().write_all(bytes.as_ref())
    }

    /// Sends a request without a body, and reads the answer.
    pub fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Answer> {
        self.begin(method, target, headers)?;
        self.answer(method)
    }

    /// Sends a request without a body.
    pub fn begin(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<()> {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: images.example\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        self.send(text + "\r\n")
    }

    /// Reads an answer to its end, or as far as it comes.
    pub fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut answer = self.head()?;
        let no_body = method == "HEAD" || [204, 304].contains(&answer.status);
        if no_body {
            answer.is_whole = true;
            return Ok(answer);
        }
        let read = match answer.header("content-length").map(str::to_owned) {
            Some(length) => {
                let length: u64 = length.parse().map_err(io::Error::other)?;
                let read = (&mut self.input).take(length).read_to_end(&mut answer.body);
                read.map(|count| count as u64 == length)
            }
            None if answer.headers.contains_key("transfer-encoding") => {
                chunked(&mut self.input, &mut answer.body).map(|()| true)
            }
            // Until it is closed: nobody can tell.
            None => self.input.read_to_end(&mut answer.body).map(|_| false),
        };
        answer.is_whole = read.unwrap_or(false);
        Ok(answer)
    }

    /// Reads the head of an answer; an error where there is none.
    pub fn head(&mut self) -> io::Result<Answer> {
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no answer: {line:?}")))?;
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            self.input.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let known: &mut String = headers.entry(name.to_ascii_lowercase()).or_default();
            let comma = if known.is_empty() { "" } else { ", " };
            *known += &format!("{comma}{}", value.trim());
        }
        Ok(Answer { status, headers, body: Vec::new(), is_whole: false })
    }

    /// Reads so many bytes of a body.
    pub fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
