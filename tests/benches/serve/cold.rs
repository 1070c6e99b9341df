//! Many clients on an image that nobody has yet, from an origin that is slow.

use crate::client::{Client, Download};
use crate::nginx::Nginx;
use crate::origin::{Image, Origin};
use crate::service::Service;
use crate::{found, wait};
use image_cache_tests::measure::{Asked, Line, median};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;
use tokio::task::JoinSet;

const CLIENTS: usize = 8;

/// How often, each time with images of its own.
const ROUNDS: u64 = 3;

/// What came of one round.
struct Round {
    /// The slowest client's time over that of one alone.
    slowest: f64,
    /// The last client's first byte after the first one's, in milliseconds.
    apart: f64,
    reads: f64,
}

/// 256 MiB at 50 MB/s, for one client and for eight.
pub fn crowd(directory: &Path, binary: &Path, origin: &Origin) -> io::Result<Vec<Line>> {
    let service = Service::start(&directory.join("ours"), binary, origin.address, &[])?;
    let nginx = found("nginx", Nginx::start(&directory.join("nginx"), origin.address));
    let ours = rounds(service.address, origin, 0..ROUNDS)?;
    let theirs =
        nginx.map(|nginx| rounds(nginx.address, origin, ROUNDS..ROUNDS + 1)).transpose()?;
    let line = |what: &str, unit: &str, figure: &dyn Fn(&Round) -> f64, limit: f64| {
        let of = |rounds: &[Round]| median(rounds.iter().map(figure).collect());
        let peer = theirs.as_ref().map(|rounds| format!("nginx: {:.2}{unit}", of(rounds)));
        Line {
            what: format!("8 clients on cold 256 MiB from 50 MB/s: {what}"),
            ours: format!("{:.2}{unit}", of(&ours)),
            peer: peer.unwrap_or("nginx: missing".to_owned()),
            ratio: None,
            found: of(&ours),
            asked: Asked::AtMost(limit),
        }
    };
    Ok(vec![
        line("slowest against one alone", " x", &|round| round.slowest, 1.1),
        line("reads of the origin", "", &|round| round.reads, 1.0),
        line("first bytes apart", " ms", &|round| round.apart, 50.0),
    ])
}

fn rounds(
    address: SocketAddr,
    origin: &Origin,
    rounds: std::ops::Range<u64>,
) -> io::Result<Vec<Round>> {
    let figures = rounds.map(|round| {
        let (begun, alone) = wait(together(address, Image::slow(2 * round), 1))?;
        let alone = last(&alone) - begun;
        origin.reads();
        let (begun, all) = wait(together(address, Image::slow(2 * round + 1), CLIENTS))?;
        let reads = origin.reads() as f64;
        let firsts = || all.iter().map(|download| download.first);
        let apart = firsts().max().zip(firsts().min()).map(|(last, first)| last - first);
        Ok(Round {
            slowest: (last(&all) - begun).as_secs_f64() / alone.as_secs_f64(),
            apart: apart.unwrap_or_default().as_secs_f64() * 1000.0,
            reads,
        })
    });
    figures.collect()
}

fn last(downloads: &[Download]) -> Instant {
    downloads.iter().map(|download| download.last).max().unwrap_or_else(Instant::now)
}

/// So many clients at once, each on a connection of its own, from when they ask.
async fn together(
    address: SocketAddr,
    image: Image,
    count: usize,
) -> io::Result<(Instant, Vec<Download>)> {
    let mut connected = Vec::new();
    for _ in 0..count {
        let mut client = Client::of(address);
        client.connect().await?;
        connected.push(client);
    }
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for mut client in connected {
        clients.spawn(async move { client.get(&image.target()).await });
    }
    let downloads = clients.join_all().await;
    Ok((begun, downloads.into_iter().collect::<io::Result<_>>()?))
}
