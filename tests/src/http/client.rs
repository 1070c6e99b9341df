//! A client that sends exactly the bytes of the test.

use super::Response;
use crate::Tested;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// The maximum time that a test waits for expected bytes. An error is better than a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A GET on its own connection.
pub fn get(server: SocketAddr, target: &str) -> Tested<Response> {
    send(server, "GET", target, &[])
}

/// A request without a body on its own connection, which the server closes.
pub fn send(
    server: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Tested<Response> {
    read_to_close(begin(server, method, target, headers)?)
}

/// Sends a request without a body on its own connection; the caller reads the response.
pub fn begin(
    server: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Tested<TcpStream> {
    let mut stream = connect(server)?;
    let host = server.to_string();
    let first = [("Host", &*host), ("Connection", "close")];
    stream.write_all(request(method, target, first.iter().chain(headers)).as_bytes())?;
    Ok(stream)
}

/// A connection.
pub fn connect(server: SocketAddr) -> Tested<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// An address for a server that cannot choose a port itself. It is on a loopback address that only this process uses, so no other
/// process can take its port meanwhile.
pub fn free_address() -> io::Result<SocketAddr> {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    TcpListener::bind((Ipv4Addr::new(127, 77, high, low), 0))?.local_addr()
}

/// Reads until the server closes the connection.
pub fn read_to_close(mut stream: impl Read) -> Tested<Response> {
    let mut came = Vec::new();
    stream.read_to_end(&mut came)?;
    Response::parse(&came)
}

/// A connection for any number of requests.
pub struct Client {
    input: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    pub fn connect(server: SocketAddr) -> Tested<Client> {
        Ok(Client { input: BufReader::new(connect(server)?) })
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.input.get_mut().write_all(bytes.as_ref())
    }

    /// Sends a request without a body, and reads the response.
    pub fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Response> {
        self.begin(method, target, headers)?;
        self.response(method)
    }

    /// Sends a request without a body.
    pub fn begin(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<()> {
        let host = [("Host", "images.example")];
        self.send(request(method, target, host.iter().chain(headers)))
    }

    /// Reads a response to its end, or as much of it as is sent.
    pub fn response(&mut self, method: &str) -> io::Result<Response> {
        Response::read(&mut self.input, method)
    }

    /// Reads the header of a response; returns an error if there is none.
    pub fn head(&mut self) -> io::Result<Response> {
        Response::read_head(&mut self.input)
    }

    /// Reads this many bytes of a body.
    pub fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// Reads the next bytes; after the header of a response these are its body.
impl Read for Client {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.input.read(buf)
    }
}

fn request<'a>(
    method: &str,
    target: &str,
    headers: impl Iterator<Item = &'a (&'a str, &'a str)>,
) -> String {
    let headers: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\n{headers}\r\n")
}
