//! Requests and responses that are read from a connection.

use crate::Tested;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

/// The first line and the headers of a message.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The first line.
    pub line: String,
    /// Names in lower case; several lines of one name are joined by commas.
    pub headers: BTreeMap<String, String>,
}

impl Head {
    /// None if the connection was closed before the first byte.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn read(input: &mut impl BufRead) -> io::Result<Option<Head>> {
        let mut head = Head::default();
        if input.read_line(&mut head.line)? == 0 {
            return Ok(None);
        }
        loop {
            let mut line = String::new();
            input.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let known = head.headers.entry(name.to_ascii_lowercase()).or_default();
            let comma = if known.is_empty() { "" } else { ", " };
            *known += &format!("{comma}{}", value.trim());
        }
        Ok(Some(head))
    }

    /// The word of the first line at this index.
    pub fn word(&self, index: usize) -> &str {
        self.line.split_whitespace().nth(index).unwrap_or_default()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Reads the body with the length in the headers; returns whether it is complete. None if the headers have no length.
    fn read_body(&self, input: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<Option<bool>> {
        if let Some(length) = self.header("content-length") {
            let length: u64 = length.parse().map_err(io::Error::other)?;
            let count = input.take(length).read_to_end(body)?;
            return Ok(Some(count as u64 == length));
        }
        if self.headers.contains_key("transfer-encoding") {
            return read_chunks(input, body).map(|()| Some(true));
        }
        Ok(None)
    }
}

/// A request that an origin received.
#[derive(Debug, Clone)]
pub struct Request {
    /// As in its first line.
    pub method: String,
    /// As in its first line.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
    /// The number of earlier requests on its connection.
    pub previous: usize,
}

impl Request {
    /// None if the connection was closed.
    pub(super) fn read(input: &mut impl BufRead, previous: usize) -> io::Result<Option<Request>> {
        let Some(head) = Head::read(input)? else { return Ok(None) };
        let mut body = Vec::new();
        if head.read_body(input, &mut body)? == Some(false) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (method, target) = (head.word(0).to_owned(), head.word(1).to_owned());
        Ok(Some(Request { method, target, headers: head.headers, body, previous }))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether it requests a whole image.
    pub fn is_download(&self) -> bool {
        self.method == "GET" && self.header("range").is_none()
    }
}

/// A response that a client received.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case; several lines of one name are joined by commas.
    pub headers: BTreeMap<String, String>,
    /// The received part of the body.
    pub body: Vec<u8>,
    /// Whether the body is complete. False if only the end of the connection ends it, because that is ambiguous.
    pub is_complete: bool,
}

impl Response {
    /// Reads only the header; returns an error if there is none.
    pub(super) fn read_head(input: &mut impl BufRead) -> io::Result<Response> {
        let head = Head::read(input)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.word(1).parse();
        let status = status.map_err(|_| io::Error::other(format!("no answer: {:?}", head.line)))?;
        Ok(Response { status, headers: head.headers, body: Vec::new(), is_complete: false })
    }

    /// Reads the response to a request with this method to its end, or as much of it as is sent.
    pub(super) fn read(input: &mut impl BufRead, method: &str) -> io::Result<Response> {
        let mut response = Response::read_head(input)?;
        if method == "HEAD" || [204, 304].contains(&response.status) {
            response.is_complete = true;
            return Ok(response);
        }
        let head = Head { line: String::new(), headers: response.headers.clone() };
        let read = match head.read_body(input, &mut response.body) {
            Ok(None) => input.read_to_end(&mut response.body).map(|_| Some(false)),
            read => read,
        };
        response.is_complete = matches!(read, Ok(Some(true)));
        Ok(response)
    }

    /// Parses a response from its bytes, which may be incomplete.
    ///
    /// # Errors
    /// If there is no complete header.
    pub fn parse(mut bytes: &[u8]) -> Tested<Response> {
        if !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            return Err("no head".into());
        }
        Ok(Response::read(&mut bytes, "GET")?)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; if it is not JSON, the test fails.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The source of its bytes according to `X-Cache`.
    pub fn cache(&self) -> &str {
        self.header("x-cache").unwrap_or("nothing")
    }

    /// Asserts its status, its source, and that its body is exactly these bytes.
    #[track_caller]
    pub fn assert_is(&self, status: u16, cache: &str, body: &[u8]) {
        let found = (self.status, self.cache(), self.is_complete, self.body.len());
        assert_eq!(found, (status, cache, true, body.len()), "{:?}", self.headers);
        assert!(self.body == body, "its bytes are others");
    }
}

/// Reads a chunked body.
fn read_chunks(input: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::from_str_radix(line.trim(), 16)
            .map_err(|_| io::Error::other(format!("not a chunk length: {line:?}")))?;
        let start = body.len();
        body.resize(start + length, 0);
        input.read_exact(&mut body[start..])?;
        let mut end = String::new();
        input.read_line(&mut end)?;
        if length == 0 {
            return Ok(());
        }
    }
}
