//! Warm downloads: one large image, and many small ones over connections that are kept alive.

use crate::client::Client;
use crate::glance::Glance;
use crate::nginx::Nginx;
use crate::origin::{Image, Origin};
use crate::service::Service;
use crate::{found, wait};
use image_cache_tests::measure::{Asked, Line, median, mib_per_second};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Rounds in which each server has its turn.
const ROUNDS: usize = 7;

/// Small images, and connections over which they are asked for.
const SMALL: u64 = 100;
const CONNECTIONS: u64 = 8;

/// How long a server is asked for small images in each round.
const TURN: Duration = Duration::from_secs(3);

/// Who is measured.
struct Server {
    name: &'static str,
    address: SocketAddr,
}

/// A GiB, each hit authorised: all at their defaults.
pub fn large(directory: &Path, binary: &Path, origin: &Origin) -> io::Result<Vec<Line>> {
    let service = Service::start(&directory.join("ours"), binary, origin.address, &[])?;
    let nginx = found("nginx", Nginx::start(&directory.join("nginx"), origin.address));
    let glance = found("Glance", glance_with(directory, &[Image::LARGE]));
    let servers = servers(&service, nginx.as_ref(), glance.as_ref());
    let rates = wait(async {
        for server in &servers {
            for _ in 0..2 {
                Client::of(server.address).get(&Image::LARGE.target()).await?;
            }
        }
        origin.reads();
        in_turns(&servers, async |server| {
            let begun = Instant::now();
            let download = Client::of(server.address).get(&Image::LARGE.target()).await?;
            Ok(mib_per_second(download.bytes, download.last - begun))
        })
        .await
    })?;
    assert_eq!(origin.reads(), 0, "somebody was not warm");
    let what = "warm GET of 1 GiB, blocks verified, hits authorised";
    Ok(lines(what, "MiB/s", &servers, &rates, [0.75, 1.0]))
}

/// Images of 64 KiB over 8 connections.
pub fn small(directory: &Path, binary: &Path, origin: &Origin) -> io::Result<Vec<Line>> {
    let images: Vec<Image> = (0..SMALL).map(Image::small).collect();
    let options = ["--authorise", "never"];
    let service = Service::start(&directory.join("ours"), binary, origin.address, &options)?;
    let nginx = found("nginx", Nginx::start(&directory.join("nginx"), origin.address));
    let glance = found("Glance", glance_with(directory, &images));
    let servers = servers(&service, nginx.as_ref(), glance.as_ref());
    let rates = wait(async {
        for server in &servers {
            let mut client = Client::of(server.address);
            for image in images.iter().chain(&images) {
                client.get(&image.target()).await?;
            }
        }
        origin.reads();
        in_turns(&servers, async |server| requests_per_second(server.address).await).await
    })?;
    assert_eq!(origin.reads(), 0, "somebody was not warm");
    let what = "warm GET of 64 KiB, 8 connections, --authorise never";
    Ok(lines(what, "requests/s", &servers, &rates, [0.6, 1.0]))
}

fn servers(service: &Service, nginx: Option<&Nginx>, glance: Option<&Glance>) -> Vec<Server> {
    let ours = Some(Server { name: "ours", address: service.address });
    let nginx = nginx.map(|nginx| Server { name: "nginx", address: nginx.address });
    let glance = glance.map(|glance| Server { name: "Glance", address: glance.address });
    [ours, nginx, glance].into_iter().flatten().collect()
}

fn glance_with(directory: &Path, images: &[Image]) -> io::Result<Glance> {
    let glance = Glance::start(&directory.join("glance"))?;
    images.iter().try_for_each(|image| glance.add(*image))?;
    Ok(glance)
}

/// The median figure of each server.
async fn in_turns(
    servers: &[Server],
    measure: impl AsyncFn(&Server) -> io::Result<f64>,
) -> io::Result<Vec<f64>> {
    let mut figures = vec![Vec::new(); servers.len()];
    for _ in 0..ROUNDS {
        for (server, figures) in servers.iter().zip(&mut figures) {
            figures.push(measure(server).await?);
        }
    }
    for (server, figures) in servers.iter().zip(&figures) {
        println!("{:8} {figures:.0?}", server.name);
    }
    Ok(figures.into_iter().map(median).collect())
}

async fn requests_per_second(address: SocketAddr) -> io::Result<f64> {
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

/// A line beside each peer, and what is asked beside the first and the second of them.
fn lines(what: &str, unit: &str, servers: &[Server], rates: &[f64], asked: [f64; 2]) -> Vec<Line> {
    let ours = rates.first().copied().unwrap_or(0.0);
    let beside = |(name, asked): (&str, f64)| {
        let peer = servers.iter().position(|server| server.name == name);
        let rate = peer.and_then(|peer| rates.get(peer)).copied();
        Line {
            what: what.to_owned(),
            ours: format!("{ours:.0} {unit}"),
            peer: rate.map_or(format!("{name}: missing"), |rate| format!("{name}: {rate:.0}")),
            ratio: rate.map(|rate| ours / rate),
            found: rate.map_or(0.0, |rate| ours / rate),
            asked: if rate.is_some() { Asked::AtLeast(asked) } else { Asked::Nothing },
        }
    };
    ["nginx", "Glance"].into_iter().zip(asked).map(beside).collect()
}
