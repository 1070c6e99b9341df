//! What `--record` costs: the small warm images of [`warm`](super::warm), with and without a trace of the requests.

use super::client::Client;
use super::origin::Image;
use super::service::Service;
use super::warm::{SMALL, requests_per_second};
use super::{Setup, wait};
use image_cache_tests::Tested;
use image_cache_tests::measure::{Asked, Bench, Row, Side, in_turns};
use std::net::SocketAddr;

const ROUNDS: usize = 7;

/// The cost must be within the noise of this measurement.
const SHARE: f64 = 0.97;

pub fn small(bench: &Bench) -> Tested<Vec<Row>> {
    let setup = Setup::new(bench)?;
    let trace = setup.path().join("trace.csv").display().to_string();
    let start = |name: &str, options: &[&str]| {
        let directory = setup.path().join(name);
        let options = [&["--authorise", "never"], options].concat();
        Service::start(&directory, &setup.binary, setup.origin.address, &options)
    };
    let (recording, plain) = (start("recording", &["--record", &trace])?, start("plain", &[])?);
    for address in [recording.address, plain.address] {
        warmed(address)?;
    }
    let side = |name, address: SocketAddr| {
        Side::new(name, move || Ok(vec![wait(requests_per_second(address))?]))
    };
    let sides = vec![side("ours", recording.address), side("without --record", plain.address)];
    let scores = in_turns(bench.rounds(ROUNDS), sides)?;
    let median = |nth: usize| scores[nth].figure(0).map_or(f64::NAN, |figure| figure.median);
    let what = "warm GET of 64 KiB, 8 connections, --authorise never, with --record";
    let row = Row::new("serve", what, "requests/s", &scores, 0);
    let asked = Asked::AtLeast(SHARE);
    Ok(vec![row.asking(asked, median(0) / median(1), "times without --record")])
}

/// Each image twice, so that it is cached.
fn warmed(address: SocketAddr) -> Tested {
    let load = async {
        let mut client = Client::of(address);
        for number in (0..SMALL).chain(0..SMALL) {
            client.get(&Image::small(number).target()).await?;
        }
        Ok(())
    };
    Ok(wait(load)?)
}
