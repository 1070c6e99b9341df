//! The HTTP service compared with nginx and Glance's own cache: on loopback, each in its own process, all measured by one client,
//! in turns.
//!
//! Clients and servers share the processors: with two processors, the client takes time from the server.

mod client;
mod cold;
mod glance;
mod many_connections;
mod nginx;
mod origin;
mod process;
mod recording;
mod service;
mod warm;

use image_cache_tests::Tested;
use image_cache_tests::measure::{Bench, Measure, binary};
use origin::Origin;
use service::Service;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub const MEASURES: [Measure; 5] = [
    ("serve_large", warm::large),
    ("serve_small", warm::small),
    ("serve_cold", cold::concurrent_clients),
    ("serve_record", recording::small),
    ("serve_memory", many_connections::memory),
];

/// The common setup: the origin, and an empty directory.
struct Setup {
    origin: Origin,
    binary: PathBuf,
    scratch: TempDir,
}

impl Setup {
    fn new(bench: &Bench) -> Tested<Setup> {
        Ok(Setup { origin: Origin::start(), binary: binary()?, scratch: bench.scratch()? })
    }

    fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Our service in front of the origin.
    fn service(&self, options: &[&str]) -> io::Result<Service> {
        Service::start(&self.path().join("ours"), &self.binary, self.origin.address, options)
    }
}

/// Runs the work of a client on this thread.
fn wait<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
