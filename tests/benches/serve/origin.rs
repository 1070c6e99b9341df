//! The origin of the images: the part of the Glance API that is needed to authorise hits, and a counter of reads.

use image_cache_tests::http::{self, Request, reply, write_head};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes in one write.
const PIECE: usize = 64 << 10;

/// The speed limit of slow images, in bytes per second.
pub const LIMIT: u64 = 50_000_000;

/// An image, identified by its number.
#[derive(Debug, Clone, Copy)]
pub struct Image {
    number: u64,
    pub size: u64,
    /// Whether its speed is limited to [`LIMIT`].
    is_slow: bool,
}

impl Image {
    pub const LARGE: Image = Image { number: 1, size: 1 << 30, is_slow: false };

    pub fn small(number: u64) -> Image {
        Image { number: 1000 + number, size: 64 << 10, is_slow: false }
    }

    pub fn slow(number: u64) -> Image {
        Image { number: 1_000_000 + number, size: 256 << 20, is_slow: true }
    }

    fn of_number(number: u64) -> Image {
        match number {
            1_000_000.. => Image::slow(number - 1_000_000),
            1000.. => Image::small(number - 1000),
            _ => Image::LARGE,
        }
    }

    /// A UUID, like Glance's ids.
    pub fn id(self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.number)
    }

    /// The path of its data.
    pub fn target(self) -> String {
        format!("/v2/images/{}/file", self.id())
    }
}

/// The server; it ends with the benchmark.
pub struct Origin {
    pub address: SocketAddr,
    reads: Arc<AtomicU64>,
}

impl Origin {
    pub fn start() -> Origin {
        let reads = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&reads);
        let origin = http::Origin::new(move |request, output| answer(request, output, &counted));
        Origin { address: origin.address(), reads }
    }

    /// The number of images that were read, completely or partially, since the last call.
    pub fn take_reads(&self) -> u64 {
        self.reads.swap(0, Ordering::Relaxed)
    }
}

fn answer(request: &Request, output: &mut TcpStream, reads: &AtomicU64) -> io::Result<()> {
    let path = &*request.target;
    let (path, is_file) = path.strip_suffix("/file").map_or((path, false), |path| (path, true));
    let number = path.rsplit('-').next().and_then(|number| number.parse().ok());
    let Some(image) = number.map(Image::of_number) else {
        return reply(output, "404 Not Found", &[], b"");
    };
    if request.method == "DELETE" {
        return write_head(output, "204 No Content", &[], None);
    }
    if !is_file {
        let (id, size) = (image.id(), image.size);
        let record = format!(r#"{{"id": "{id}", "status": "active", "size": {size}}}"#);
        return reply(output, "200 OK", &[("Content-Type", "application/json")], record.as_bytes());
    }
    if request.header("range").is_some() {
        // The service requests the first byte to authorise a hit.
        let range = format!("bytes 0-0/{}", image.size);
        return reply(output, "206 Partial Content", &[("Content-Range", &range)], &[0]);
    }
    reads.fetch_add(1, Ordering::Relaxed);
    send(image, output)
}

/// Sends a whole image, at most at [`LIMIT`] if it is a slow one.
fn send(image: Image, output: &mut TcpStream) -> io::Result<()> {
    let etag = format!("\"{}\"", image.number);
    let size = usize::try_from(image.size).map_err(io::Error::other)?;
    write_head(output, "200 OK", &[("ETag", &etag)], Some(size))?;
    let (begun, piece) = (Instant::now(), pattern(image.number));
    for sent in (0..size).step_by(PIECE) {
        if image.is_slow {
            let due = Duration::from_nanos(sent as u64 * 1_000_000_000 / LIMIT);
            thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        output.write_all(&piece[..PIECE.min(size - sent)])?;
    }
    Ok(())
}

/// The content of an image, which repeats.
pub fn pattern(seed: u64) -> Vec<u8> {
    (0..PIECE as u64).map(|at| (at.wrapping_mul(31).wrapping_add(seed) % 251) as u8).collect()
}
