//! The server that images come from: as much of a Glance as hits need to be authorised, and a count of its reads.

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// Bytes that are sent at once.
const PIECE: usize = 64 << 10;

/// What the slow images are limited to, in bytes per second.
pub const LIMIT: u64 = 50_000_000;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An image, known by its number.
#[derive(Debug, Clone, Copy)]
pub struct Image {
    number: u64,
    pub size: u64,
    /// Whether it is sent no faster than [`LIMIT`].
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

    /// A UUID, as Glance's images have.
    pub fn id(self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.number)
    }

    /// Where its data lies.
    pub fn target(self) -> String {
        format!("/v2/images/{}/file", self.id())
    }
}

/// The server; it ends with the benchmark.
pub struct Origin {
    pub address: SocketAddr,
    reads: Arc<AtomicU64>,
    _runtime: Runtime,
}

impl Origin {
    pub fn start() -> io::Result<Origin> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let (address, reads) = (listener.local_addr()?, Arc::default());
        runtime.spawn(listen(listener, Arc::clone(&reads)));
        Ok(Origin { address, reads, _runtime: runtime })
    }

    /// How many images were read, wholly or not, since this was asked last.
    pub fn reads(&self) -> u64 {
        self.reads.swap(0, Ordering::Relaxed)
    }
}

async fn listen(listener: TcpListener, reads: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let reads = Arc::clone(&reads);
        let answer = service_fn(move |request| {
            let answer = answer(&request, &reads);
            async move { Ok::<_, Infallible>(answer) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

fn answer(request: &Request<Incoming>, reads: &AtomicU64) -> Response<Body> {
    let path = request.uri().path();
    let (path, is_file) = path.strip_suffix("/file").map_or((path, false), |path| (path, true));
    let number = path.rsplit('-').next().and_then(|number| number.parse().ok());
    let image = number.map(Image::of_number);
    let is_ranged = request.headers().contains_key(RANGE);
    match image {
        Some(_) if request.method() == Method::DELETE => with_status(StatusCode::NO_CONTENT),
        Some(image) if is_file && is_ranged => first_byte(image),
        Some(image) if is_file => {
            reads.fetch_add(1, Ordering::Relaxed);
            whole(image)
        }
        Some(image) => record(image),
        None => with_status(StatusCode::NOT_FOUND),
    }
}

fn with_status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = status;
    response
}

fn record(image: Image) -> Response<Body> {
    let (id, size) = (image.id(), image.size);
    let record = format!(r#"{{"id": "{id}", "status": "active", "size": {size}}}"#);
    let mut response = Response::new(Full::from(record).boxed_unsync());
    let json = "application/json".parse().expect("it is a header's value");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// The service requests the first byte to have a hit authorised.
fn first_byte(image: Image) -> Response<Body> {
    let mut response = Response::new(Full::from(&[0][..]).boxed_unsync());
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let range = format!("bytes 0-0/{}", image.size).parse().expect("it is a header's value");
    response.headers_mut().insert(CONTENT_RANGE, range);
    response
}

fn whole(image: Image) -> Response<Body> {
    let mut response = Response::new(StreamBody::new(pieces(image)).boxed_unsync());
    response.headers_mut().insert(CONTENT_LENGTH, image.size.into());
    let etag = format!("\"{}\"", image.number).parse().expect("it is a header's value");
    response.headers_mut().insert(ETAG, etag);
    response
}

fn pieces(image: Image) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    let (begun, piece) = (Instant::now(), Bytes::from(pattern(image.number)));
    stream::unfold(0, move |sent: u64| {
        let piece = piece.clone();
        async move {
            if image.is_slow {
                let due = Duration::from_nanos(sent * 1_000_000_000 / LIMIT);
                tokio::time::sleep_until(begun + due).await;
            }
            let left = usize::try_from(image.size - sent).unwrap_or(usize::MAX);
            let piece = piece.slice(..left.min(PIECE));
            let sent = sent + piece.len() as u64;
            (left > 0).then(|| (Ok(Frame::data(piece)), sent))
        }
    })
}

/// What an image consists of, again and again.
pub fn pattern(seed: u64) -> Vec<u8> {
    (0..PIECE as u64).map(|at| (at.wrapping_mul(31).wrapping_add(seed) % 251) as u8).collect()
}
