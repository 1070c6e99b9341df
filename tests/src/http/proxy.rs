//! A TCP proxy between a service and its upstream, which records requests and can delay or close connections.

use crate::Tested;
use crate::monitor::Monitor;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

#[derive(Debug, Default)]
struct State {
    /// The first line of each request, and its Range if it has one.
    requests: Vec<String>,
    /// The maximum number of response bytes on each connection: after that they wait, or the connection is closed.
    limit: Option<u64>,
    cuts: bool,
    /// Connections on which the limit was reached.
    reached: u64,
    /// All connections are closed.
    down: bool,
    over: bool,
}

/// The proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Monitor<State>>,
}

impl Proxy {
    /// A proxy for this upstream.
    pub fn to(upstream: SocketAddr) -> Tested<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, shared) = (listener.local_addr()?, Arc::<Monitor<State>>::default());
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&theirs);
                let (over, down) = {
                    let state = shared.state();
                    (state.over, state.down)
                };
                if over {
                    return;
                }
                if !down {
                    thread::spawn(move || connect(&shared, client, upstream).ok());
                }
            }
        });
        Ok(Proxy { address, shared })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of requests that begin with this text and have no Range.
    pub fn requests(&self, line: &str) -> usize {
        let state = self.shared.state();
        state.requests.iter().filter(|it| it.starts_with(line) && !it.contains("range:")).count()
    }

    /// All requests.
    pub fn all_requests(&self) -> Vec<String> {
        self.shared.state().requests.clone()
    }

    /// Forwards this many response bytes on each connection; the others wait.
    pub fn hold_after(&self, bytes: u64) {
        self.change(|state| (state.limit, state.cuts) = (Some(bytes), false));
    }

    /// Forwards this many response bytes on each connection, and then closes it.
    pub fn cut_after(&self, bytes: u64) {
        self.change(|state| (state.limit, state.cuts) = (Some(bytes), true));
    }

    /// Forwards everything.
    pub fn release(&self) {
        self.change(|state| (state.limit, state.down) = (None, false));
    }

    /// Closes new connections at once.
    pub fn go_down(&self) {
        self.change(|state| state.down = true);
    }

    /// How often the limit was reached.
    pub fn reached(&self) -> u64 {
        self.shared.state().reached
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.shared.change(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.change(|state| (state.over, state.limit) = (true, None));
        let _ = TcpStream::connect(self.address);
    }
}

fn connect(
    shared: &Arc<Monitor<State>>,
    client: TcpStream,
    upstream: SocketAddr,
) -> io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    let (asking, asked) = (client.try_clone()?, server.try_clone()?);
    let asking_shared = Arc::clone(shared);
    thread::spawn(move || ask(&asking_shared, asking, asked));
    answer(shared, server, client)
}

/// Forwards bytes from the client to the server, and records request headers.
fn ask(shared: &Monitor<State>, mut client: TcpStream, mut server: TcpStream) {
    let (mut head, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        head.extend_from_slice(&buffer[..count]);
        while let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&head[..end]).into_owned();
            let range = text.lines().map(str::to_lowercase).find(|line| line.starts_with("range:"));
            let first = text.lines().next().unwrap_or_default();
            shared.state().requests.push(format!("{first} {}", range.unwrap_or_default()));
            head.drain(..end + 4);
        }
        if server.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

/// Forwards bytes from the server to the client, up to the limit.
fn answer(shared: &Monitor<State>, mut server: TcpStream, mut client: TcpStream) -> io::Result<()> {
    let (mut sent, mut buffer) = (0, [0; 16 * 1024]);
    loop {
        let count = server.read(&mut buffer)?;
        if count == 0 {
            return client.shutdown(Shutdown::Both);
        }
        let mut bytes = &buffer[..count];
        while !bytes.is_empty() {
            let mut state = shared.state();
            let room = state.limit.map_or(u64::MAX, |limit| limit.saturating_sub(sent));
            if room == 0 {
                state.reached += 1;
                if state.cuts {
                    let _ = server.shutdown(Shutdown::Both);
                    return client.shutdown(Shutdown::Both);
                }
                let held = state.limit;
                let same = |state: &mut State| state.limit == held && !state.cuts;
                shared.wait_while(state, same);
                continue;
            }
            drop(state);
            let part = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            client.write_all(&bytes[..part])?;
            (sent, bytes) = (sent + part as u64, &bytes[part..]);
        }
    }
}
