//! The memory for many connections: most of them are idle, some are downloading.

use super::client::Client;
use super::origin::Image;
use super::{Setup, wait};
use image_cache_tests::Tested;
use image_cache_tests::measure::{Bench, Figure, Row, memory_of};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const IDLE: u64 = 500;
const ACTIVE: usize = 100;

/// The time for which they download at full speed, and then slowly.
const PHASE: Duration = Duration::from_secs(8);

/// The bytes that a slow client reads at once, and its pause after that.
const SIP: usize = 16 << 10;
const PAUSE: Duration = Duration::from_millis(25);

/// The service's peak of resident memory.
pub fn memory(bench: &Bench) -> Tested<Vec<Row>> {
    let setup = Setup::new(bench)?;
    let service = setup.service(&[])?;
    let mib = |name| memory_of(service.process.id(), name) as f64 / f64::from(1 << 20);
    wait(async {
        let mut idle = Vec::new();
        for number in 0..IDLE {
            let mut client = Client::of(service.address);
            client.get(&Image::small(number % 10).target()).await?;
            idle.push(client);
        }
        Client::of(service.address).get(&Image::LARGE.target()).await?;
        println!("with {IDLE} idle connections {:.0} MiB are resident", mib("VmRSS"));
        let mut reads = 0;
        for (how, pause) in [("fast", None), ("slow", Some(PAUSE))] {
            reads += active(service.address, pause).await?;
            println!("{ACTIVE} {how} ones beside them: {:.0} MiB at most", mib("VmHWM"));
        }
        println!("they read {} MiB", reads >> 20);
        drop(idle);
        Ok(())
    })?;
    let what = format!("{IDLE} idle and {ACTIVE} active connections: resident at most");
    Ok(vec![Row::of("memory", &what, "MiB", Figure::of(&[mib("VmHWM")])).at_most(150.0)])
}

/// Lets clients read the large image for a given time; returns the number of bytes.
async fn active(address: SocketAddr, pause: Option<Duration>) -> io::Result<u64> {
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..ACTIVE {
        clients.spawn(async move {
            let (mut client, mut bytes) = (Client::of(address), 0);
            client.ask(&Image::LARGE.target()).await?;
            while begun.elapsed() < PHASE {
                let room = if pause.is_some() { SIP } else { usize::MAX };
                bytes += client.read(room).await? as u64;
                if let Some(pause) = pause {
                    tokio::time::sleep(pause).await;
                }
            }
            Ok::<_, io::Error>(bytes)
        });
    }
    clients.join_all().await.into_iter().sum()
}
