//! Many clients that request an image that is not cached, from a slow origin.

use super::client::{Client, Download};
use super::nginx::Nginx;
use super::origin::{Image, Origin};
use super::{Setup, wait};
use image_cache_tests::Tested;
use image_cache_tests::measure::{Bench, Figure, Peer, Row};
use std::io;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::task::JoinSet;

const CLIENTS: usize = 8;

/// The number of rounds, each with new images.
const ROUNDS: u64 = 3;

/// The result of one round.
struct Round {
    /// The time of the slowest client divided by that of a single client.
    slowest: f64,
    /// The time between the first byte of the first client and that of the last client, in milliseconds.
    apart: f64,
    reads: f64,
}

/// 256 MiB at 50 MB/s, for one client and for eight.
pub fn concurrent_clients(bench: &Bench) -> Tested<Vec<Row>> {
    let setup = Setup::new(bench)?;
    let service = setup.service(&[])?;
    let nginx = Nginx::start(&setup.path().join("nginx"), setup.origin.address);
    let ours = rounds(service.address, &setup.origin, 0..ROUNDS)?;
    let theirs = nginx.and_then(|nginx| rounds(nginx.address, &setup.origin, ROUNDS..ROUNDS + 1));
    let row = |what: &str, unit: &str, figure: &dyn Fn(&Round) -> f64, limit: f64| {
        let of = |rounds: &[Round]| Figure::of(&rounds.iter().map(figure).collect::<Vec<_>>());
        let theirs = theirs.as_ref().map_err(ToString::to_string);
        let figure = theirs.and_then(|theirs| of(theirs).ok_or("no round of it".to_owned()));
        let what = format!("8 clients on cold 256 MiB from 50 MB/s: {what}");
        let nginx = Peer { name: "nginx".to_owned(), figure };
        Row::of("serve", &what, unit, of(&ours)).beside([nginx]).at_most(limit)
    };
    Ok(vec![
        row("slowest compared with a single client", "×", &|round| round.slowest, 1.1),
        row("reads of the origin", "", &|round| round.reads, 1.0),
        row("time between first bytes", "ms", &|round| round.apart, 50.0),
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
        origin.take_reads();
        let (begun, all) = wait(together(address, Image::slow(2 * round + 1), CLIENTS))?;
        let reads = origin.take_reads() as f64;
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

/// This many concurrent clients, each on its own connection, from the time of their requests.
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
