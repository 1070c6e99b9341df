//! The HTTP service beside nginx and Glance's own cache: on loopback, each a process of its own, all measured by one
//! client, turn by turn.
//!
//! Names among the arguments pick by a part of them: `serve_large`, `serve_small`, `serve_cold`, `serve_memory`. The
//! binary is built for release first, unless `IMAGE_CACHE_BINARY` names another one. Clients and servers share the
//! processors: with two of them, what a client takes is missing to the server.

mod client;
mod cold;
mod crowd;
mod glance;
mod nginx;
mod origin;
mod process;
mod service;
mod warm;

use image_cache_tests::measure::{Line, binary, print, tell};
use origin::Origin;
use std::io;
use std::path::Path;

/// Measures something, with files below this directory and this binary, from this origin.
type Measure = fn(&Path, &Path, &Origin) -> io::Result<Vec<Line>>;

const MEASURES: [(&str, Measure); 4] = [
    ("serve_large", warm::large),
    ("serve_small", warm::small),
    ("serve_cold", cold::crowd),
    ("serve_memory", crowd::memory),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--names") {
        MEASURES.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    }
    let names: Vec<&String> = arguments.iter().filter(|name| !name.starts_with('-')).collect();
    let is_picked =
        |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
    let picked: Vec<_> = MEASURES.into_iter().filter(|(name, _)| is_picked(name)).collect();
    if picked.is_empty() {
        return Ok(());
    }
    let (binary, origin) = (binary()?, Origin::start()?);
    let mut lines = Vec::new();
    for (name, measure) in picked {
        println!("\n{name}");
        // Emptied after each: gigabytes.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let measured = measure(directory.path(), &binary, &origin)?;
        tell(&measured)?;
        lines.extend(measured);
    }
    let processors = std::thread::available_parallelism()?;
    println!("\nClients and servers on {processors} processors; medians.\n");
    print(&lines);
    Ok(())
}

/// What was found or started; what was not is said aloud, and left out.
fn found<T>(what: &str, started: io::Result<T>) -> Option<T> {
    started.inspect_err(|error| println!("MISSING: no comparison with {what}: {error}")).ok()
}

/// Has a client's work done, on this thread.
fn wait<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
