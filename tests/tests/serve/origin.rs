//! A server of images over real sockets, which answers each request as the test says, also in ways that no server
//! should.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// As in its first line.
    pub method: String,
    /// As in its first line.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// What came behind the head.
    pub body: Vec<u8>,
    /// How many requests came by its connection before it.
    pub before: usize,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether it asks for a whole image.
    pub fn is_whole(&self) -> bool {
        self.method == "GET" && self.header("range").is_none()
    }
}

/// What the origin does with a request, on its connection; an error closes that.
pub type Behaviour = dyn Fn(&Asked, &mut TcpStream) -> io::Result<()> + Send + Sync;

/// The server; it ends with the test.
pub struct Origin {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    behaviour: Arc<Mutex<Arc<Behaviour>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Origin {
    pub fn new(
        behaviour: impl Fn(&Asked, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it listens");
        let origin = Origin {
            address,
            asked: Arc::default(),
            behaviour: Arc::new(Mutex::new(Arc::new(behaviour))),
            connections: Arc::default(),
        };
        let asked = Arc::clone(&origin.asked);
        let behaviour = Arc::clone(&origin.behaviour);
        let connections = Arc::clone(&origin.connections);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Ok(stream) = stream.try_clone() {
                    lock(&connections).push(stream);
                }
                let (asked, behaviour) = (Arc::clone(&asked), Arc::clone(&behaviour));
                thread::spawn(move || {
                    let _ = serve(&stream, &asked, &behaviour);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        origin
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Behaves otherwise from the next request on.
    pub fn does(
        &self,
        behaviour: impl Fn(&Asked, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) {
        *lock(&self.behaviour) = Arc::new(behaviour);
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }

    /// How often a whole image was asked for under this target.
    pub fn reads(&self, target: &str) -> usize {
        let asked = lock(&self.asked);
        asked.iter().filter(|asked| asked.target == target && asked.is_whole()).count()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        lock(&self.asked).clear();
    }

    /// Breaks all its connections.
    pub fn hang_up(&self) {
        for stream in lock(&self.connections).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    stream: &TcpStream,
    known: &Mutex<Vec<Asked>>,
    behaviour: &Mutex<Arc<Behaviour>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream.try_clone()?);
    let mut output = stream.try_clone()?;
    let mut before = 0;
    while let Some(asked) = request(&mut input)? {
        let asked = Asked { before, ..asked };
        before += 1;
        lock(known).push(asked.clone());
        let behaviour = Arc::clone(&lock(behaviour));
        behaviour(&asked, &mut output)?;
    }
    Ok(())
}

fn request(input: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if let Some(length) = headers.get("content-length").and_then(|length| length.parse().ok()) {
        body.resize(length, 0);
        input.read_exact(&mut body)?;
    } else if headers.contains_key("transfer-encoding") {
        chunked(input, &mut body)?;
    }
    Ok(Some(Asked { method, target, headers, body, before: 0 }))
}

/// A body in chunks.
pub fn chunked(input: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::from_str_radix(line.trim(), 16)
            .map_err(|_| io::Error::other(format!("no length of a chunk: {line:?}")))?;
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

/// Sends a whole answer with its length.
pub fn reply(
    output: &mut TcpStream,
    status: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    head(output, status, headers, Some(body.len()))?;
    output.write_all(body)
}

/// Sends the head of an answer, with a length, which may be false.
pub fn head(
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

/// Sends a file as servers do that know ranges.
pub fn file(
    asked: &Asked,
    output: &mut TcpStream,
    headers: &[(&str, &str)],
    bytes: &[u8],
) -> io::Result<()> {
    let range = asked.header("range").and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        if asked.method == "HEAD" {
            return head(output, "200 OK", headers, Some(bytes.len()));
        }
        return reply(output, "200 OK", headers, bytes);
    };
    let first: usize = first.parse().unwrap_or(0);
    let last = last.parse::<usize>().unwrap_or(usize::MAX).min(bytes.len().saturating_sub(1));
    if first > last {
        return reply(output, "416 Range Not Satisfiable", &[], b"");
    }
    let range = format!("bytes {first}-{last}/{}", bytes.len());
    let headers: Vec<(&str, &str)> =
        headers.iter().copied().chain([("Content-Range", range.as_str())]).collect();
    reply(output, "206 Partial Content", &headers, &bytes[first..=last])
}

/// Waits until the peer has closed the connection.
pub fn wait_for_the_end(output: &TcpStream) {
    let _ = io::copy(&mut &*output, &mut io::sink());
}
