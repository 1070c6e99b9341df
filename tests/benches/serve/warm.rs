//! Warm downloads: one large image, and many small ones over persistent connections.

use super::client::Client;
use super::glance::Glance;
use super::nginx::Nginx;
use super::origin::Image;
use super::{Setup, wait};
use image_cache_tests::Tested;
use image_cache_tests::measure::{Asked, Bench, Row, Score, Side, in_turns, mib_per_second};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Rounds in which each server has its turn.
const ROUNDS: usize = 7;

/// The number of small images, and of connections for requesting them.
pub const SMALL: u64 = 100;
const CONNECTIONS: u64 = 8;

/// The time for requesting small images from a server in each round.
const TURN: Duration = Duration::from_secs(3);

/// 1 GiB, with each hit authorised: all servers have their default options.
pub fn large(bench: &Bench) -> Tested<Vec<Row>> {
    let image = [Image::LARGE];
    let scores = warm(bench, &[], &image, async |address| {
        let begun = Instant::now();
        let download = Client::of(address).get(&Image::LARGE.target()).await?;
        Ok(mib_per_second(download.bytes, download.last - begun))
    })?;
    let what = "warm GET of 1 GiB, blocks verified, hits authorised";
    Ok(rows(what, "MiB/s", &scores, [0.75, 1.0]))
}

/// Images of 64 KiB over 8 connections.
pub fn small(bench: &Bench) -> Tested<Vec<Row>> {
    let images: Vec<Image> = (0..SMALL).map(Image::small).collect();
    let scores = warm(bench, &["--authorise", "never"], &images, requests_per_second)?;
    let what = "warm GET of 64 KiB, 8 connections, --authorise never";
    Ok(rows(what, "requests/s", &scores, [0.6, 1.0]))
}

/// The figures of our service with these options, of nginx and of Glance, after each of them has cached these images.
fn warm(
    bench: &Bench,
    options: &[&str],
    images: &[Image],
    measure: impl AsyncFn(SocketAddr) -> io::Result<f64>,
) -> Tested<Vec<Score>> {
    let setup = Setup::new(bench)?;
    let service = setup.service(options)?;
    let nginx = Nginx::start(&setup.path().join("nginx"), setup.origin.address);
    let glance = Glance::start(&setup.path().join("glance"));
    let glance = glance.and_then(|glance| {
        images.iter().try_for_each(|image| glance.add(*image))?;
        Ok(glance)
    });
    let warmed = |address: SocketAddr| {
        wait(async {
            let mut client = Client::of(address);
            for image in images.iter().chain(images) {
                client.get(&image.target()).await?;
            }
            Ok(())
        })
    };
    let servers = [
        ("ours", Ok(service.address)),
        ("nginx", nginx.as_ref().map(|nginx| nginx.address)),
        ("Glance", glance.as_ref().map(|glance| glance.address)),
    ];
    let mut sides = Vec::new();
    for (name, address) in servers {
        let address = address.map_err(|why| why.to_string().into());
        let address = address.and_then(|address| Ok(warmed(address).map(|()| address)?));
        sides.push(Side::of(name, address, |address| Ok(vec![wait(measure(*address))?])));
    }
    setup.origin.take_reads();
    let scores = in_turns(bench.rounds(ROUNDS), sides)?;
    match setup.origin.take_reads() {
        0 => Ok(scores),
        reads => Err(format!("a cache was not warm: {reads} reads of the origin").into()),
    }
}

pub async fn requests_per_second(address: SocketAddr) -> io::Result<f64> {
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        clients.spawn(async move {
            let (mut client, mut count) = (Client::of(address), 0_u64);
            while begun.elapsed() < TURN {
                let image = Image::small((number * SMALL / CONNECTIONS + count) % SMALL);
                client.get(&image.target()).await?;
                count += 1;
            }
            Ok::<_, io::Error>(count)
        });
    }
    let mut requests = 0;
    for count in clients.join_all().await {
        requests += count?;
    }
    Ok(requests as f64 / begun.elapsed().as_secs_f64())
}

/// A row for each peer, with the minimum share of the first and of the second one's figure.
fn rows(what: &str, unit: &str, scores: &[Score], asked: [f64; 2]) -> Vec<Row> {
    let median = |score: &Score| score.figure(0).map_or(f64::NAN, |figure| figure.median);
    let Some((ours, peers)) = scores.split_first() else { return Vec::new() };
    let beside = |(peer, asked): (&Score, f64)| {
        let scores = [ours.clone(), peer.clone()];
        let share = median(ours) / median(peer);
        let measure = format!("times {}", peer.name);
        Row::new("serve", what, unit, &scores, 0).asking(Asked::AtLeast(asked), share, &measure)
    };
    peers.iter().zip(asked).map(beside).collect()
}
