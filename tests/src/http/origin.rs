//! A server that responds to each request as the test specifies, including invalid responses.

use super::Request;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Answers a request on its connection. An error closes the connection.
pub type Responder = dyn Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync;

/// The server; it ends with the process.
#[derive(Clone)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    requests: Mutex<Vec<Request>>,
    responder: Mutex<Arc<Responder>>,
    /// The open connections, by a number that is given only once.
    connections: Mutex<BTreeMap<usize, TcpStream>>,
}

impl Origin {
    /// Listens, and responds to every request with this function.
    pub fn new(
        responder: impl Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it listens");
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            responder: Mutex::new(Arc::new(responder)),
            connections: Mutex::default(),
        });
        let origin = Origin { address, shared };
        let listening = origin.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                // A test whose origin does not respond would only show a timeout somewhere else.
                let stream = stream.expect("the origin accepts each connection");
                let connection = OpenConnection::new(listening.clone(), number, &stream);
                thread::spawn(move || connection.origin.serve(&stream));
            }
        });
        origin
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Uses this function from the next request on.
    pub fn respond_with(
        &self,
        responder: impl Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) {
        *lock(&self.shared.responder) = Arc::new(responder);
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// The number of requests for the whole of this target.
    pub fn downloads(&self, target: &str) -> usize {
        let requests = lock(&self.shared.requests);
        requests.iter().filter(|it| it.target == target && it.is_download()).count()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        lock(&self.shared.requests).clear();
    }

    /// Closes all its connections.
    pub fn close_connections(&self) {
        for stream in lock(&self.shared.connections).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut input, mut output) = (BufReader::new(stream.try_clone()?), stream.try_clone()?);
        for previous in 0.. {
            let Some(request) = Request::read(&mut input, previous)? else { break };
            lock(&self.shared.requests).push(request.clone());
            let responder = Arc::clone(&lock(&self.shared.responder));
            responder(&request, &mut output)?;
        }
        Ok(())
    }
}

/// A connection that the origin can close; it is closed when this is dropped, even if the responder panics.
struct OpenConnection {
    origin: Origin,
    number: usize,
}

impl OpenConnection {
    fn new(origin: Origin, number: usize, stream: &TcpStream) -> OpenConnection {
        let stream = stream.try_clone().expect("a descriptor is free");
        lock(&origin.shared.connections).insert(number, stream);
        OpenConnection { origin, number }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if let Some(stream) = lock(&self.origin.shared.connections).remove(&self.number) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends a whole response with its length.
pub fn reply(
    output: &mut TcpStream,
    status: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    write_head(output, status, headers, Some(body.len()))?;
    output.write_all(body)
}

/// Sends the header of a response with a length, which may be wrong.
pub fn write_head(
    output: &mut TcpStream,
    status: &str,
    headers: &[(&str, &str)],
    length: Option<usize>,
) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if let Some(length) = length {
        text += &format!("Content-Length: {length}\r\n");
    }
    output.write_all((text + "\r\n").as_bytes())
}

/// Sends a file, or the range of it that was requested.
pub fn reply_with_file(
    request: &Request,
    output: &mut TcpStream,
    headers: &[(&str, &str)],
    bytes: &[u8],
) -> io::Result<()> {
    reply_with_range(request, output, headers, bytes, |output, body| output.write_all(body))
}

/// The same; `send` sends the body.
pub(super) fn reply_with_range(
    request: &Request,
    output: &mut TcpStream,
    headers: &[(&str, &str)],
    bytes: &[u8],
    send: impl FnOnce(&mut TcpStream, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let range = request.header("range").and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        write_head(output, "200 OK", headers, Some(bytes.len()))?;
        return if request.method == "HEAD" { Ok(()) } else { send(output, bytes) };
    };
    let first: usize = first.parse().unwrap_or(0);
    let last = last.parse::<usize>().unwrap_or(usize::MAX).min(bytes.len().saturating_sub(1));
    if first > last || bytes.is_empty() {
        return reply(output, "416 Range Not Satisfiable", &[], b"");
    }
    let range = format!("bytes {first}-{last}/{}", bytes.len());
    let headers: Vec<(&str, &str)> =
        headers.iter().copied().chain([("Content-Range", range.as_str())]).collect();
    let part = &bytes[first..=last];
    write_head(output, "206 Partial Content", &headers, Some(part.len()))?;
    send(output, part)
}

/// Waits until the peer has closed the connection.
pub fn wait_until_closed(output: &TcpStream) {
    let _ = io::copy(&mut &*output, &mut io::sink());
}
