//! An upstream of images that speaks as much of Glance as the service asks for, and has scripted faults.

use image_cache_tests::md5_hex;
use image_cache_tests::monitor::Monitor;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// One request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub headers: String,
}

#[derive(Debug, Clone)]
struct Image {
    bytes: Arc<Vec<u8>>,
    status: &'static str,
    checksum: String,
    /// Its data stops in the middle until it is released.
    held: bool,
    /// So many requests for its data are answered with an error first.
    failures: u32,
}

#[derive(Debug, Default)]
struct State {
    images: BTreeMap<String, Image>,
    seen: Vec<Seen>,
    /// Data that is being sent, and the most that was at once.
    sending: Vec<String>,
    most: usize,
    /// Data whose client went away.
    abandoned: Vec<String>,
    over: bool,
}

/// What its threads share.
type Shared = Monitor<State>;

/// The upstream; it ends when it is dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Origin {
    pub fn start() -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&theirs);
                if shared.state().over {
                    return;
                }
                // A client that leaves is nobody's error.
                thread::spawn(move || serve(&shared, stream).ok());
            }
        });
        Origin { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn add(&self, id: &str, bytes: Vec<u8>) {
        let checksum = md5_hex(&bytes);
        let image =
            Image { bytes: Arc::new(bytes), status: "active", checksum, held: false, failures: 0 };
        self.shared.state().images.insert(id.to_owned(), image);
    }

    pub fn set_status(&self, id: &str, status: &'static str) {
        self.with(id, |image| image.status = status);
    }

    /// What it promises is not what it sends.
    pub fn set_checksum(&self, id: &str, checksum: &str) {
        self.with(id, |image| image.checksum = checksum.to_owned());
    }

    pub fn fail(&self, id: &str, times: u32) {
        self.with(id, |image| image.failures = times);
    }

    /// Sends the first half of its data, and waits.
    pub fn hold(&self, id: &str) {
        self.with(id, |image| image.held = true);
    }

    pub fn release(&self, id: &str) {
        self.with(id, |image| image.held = false);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// The images whose data was asked for, in this order.
    pub fn fetched(&self) -> Vec<String> {
        let seen = self.seen();
        let id = |seen: &Seen| {
            let id = seen.path.strip_prefix("/v2/images/")?.strip_suffix("/file")?;
            Some(id.to_owned())
        };
        seen.iter().filter_map(id).collect()
    }

    /// The images whose data is being sent.
    pub fn sending(&self) -> Vec<String> {
        self.shared.state().sending.clone()
    }

    /// The most that were sent at once.
    pub fn most(&self) -> usize {
        self.shared.state().most
    }

    pub fn abandoned(&self) -> Vec<String> {
        self.shared.state().abandoned.clone()
    }

    fn with(&self, id: &str, change: impl FnOnce(&mut Image)) {
        self.shared.change(|state| change(state.images.get_mut(id).expect("the image was added")));
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.change(|state| state.over = true);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = String::new();
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        headers += &format!("{line}\n");
    }
    let seen = Seen { path: path.clone(), headers };
    shared.state().seen.push(seen.clone());
    let rest = path.strip_prefix("/v2/images/").unwrap_or_default();
    let (id, data) = match rest.strip_suffix("/file") {
        Some(id) => (id, true),
        None => (rest, false),
    };
    let image = shared.state().images.get(id).cloned();
    match image {
        None => answer(stream, "404 Not Found", b"no such image"),
        Some(image) if !data => {
            let record = json!({
                "id": id, "status": image.status, "size": image.bytes.len(),
                "checksum": image.checksum,
            });
            answer(stream, "200 OK", record.to_string().as_bytes())
        }
        Some(image) if image.failures > 0 => {
            if let Some(image) = shared.state().images.get_mut(id) {
                image.failures -= 1;
            }
            answer(stream, "503 Service Unavailable", b"not now")
        }
        Some(image) => send(shared, stream, id, &image, &seen),
    }
}

fn send(
    shared: &Shared,
    mut stream: TcpStream,
    id: &str,
    image: &Image,
    seen: &Seen,
) -> std::io::Result<()> {
    let size = image.bytes.len();
    let headers = seen.headers.to_ascii_lowercase();
    let range = headers.split("range: bytes=").nth(1).and_then(|range| range.split_once('-'));
    let (from, to) = range.map_or((0, size), |(from, to)| {
        let to = to.lines().next().and_then(|to| to.trim().parse::<usize>().ok());
        (from.parse().unwrap_or(0), to.map_or(size, |to| size.min(to + 1)))
    });
    let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
    let part = range.map_or(String::new(), |_| {
        format!("Content-Range: bytes {from}-{}/{size}\r\n", to.saturating_sub(1))
    });
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-MD5: {}\r\n{part}Content-Length: {}\r\nConnection: close\r\n\r\n",
        image.checksum,
        to - from,
    )?;
    {
        let mut state = shared.state();
        state.sending.push(id.to_owned());
        state.most = state.most.max(state.sending.len());
    }
    let sent = send_part(shared, &mut stream, id, &image.bytes[from..to]);
    let mut state = shared.state();
    state.sending.retain(|sending| sending != id);
    if sent.is_err() {
        state.abandoned.push(id.to_owned());
    }
    sent
}

fn send_part(
    shared: &Shared,
    stream: &mut TcpStream,
    id: &str,
    bytes: &[u8],
) -> std::io::Result<()> {
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    stream.write_all(first)?;
    stream.flush()?;
    loop {
        let state = shared.state();
        let held = state.images.get(id).is_some_and(|image| image.held);
        if !held || state.over {
            break;
        }
        let pause = Duration::from_millis(20);
        shared.wait_for(state, pause);
        // Whether somebody still wants it.
        stream.set_nonblocking(true)?;
        let left = matches!(stream.peek(&mut [0]), Ok(0));
        stream.set_nonblocking(false)?;
        if left {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
    }
    stream.write_all(rest)
}

fn answer(mut stream: TcpStream, status: &str, body: &[u8]) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}
