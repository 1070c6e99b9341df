//! Forked children of a program with a cache.

use super::process::{say, threads_named};
use crate::{Tested, ThrottledSource, bytes, fill, read_all, serve};
use image_cache::{CachedReader, Config, Error, Expected, FetchReader, ImageCache, ImageWriter};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of the images that are being read or written during the fork, and of their first part.
pub const SIZE: usize = 900_000;
const FIRST: usize = 600_000;

/// Longer than any collected hit may wait in these scenarios.
const HOUR: Duration = Duration::from_secs(3600);

/// How long a child may take.
const CHILD_TIME: Duration = Duration::from_secs(60);

/// Runs `work` in a forked child, which then ends without the rest of the program.
fn in_child(work: impl FnOnce() -> Tested) -> Tested<Pid> {
    // SAFETY: the program has other threads. What the child calls is what is tested: it must not use what they hold.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // A panic must not unwind into the parent's part of the stack.
            let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("panic".into()));
            if let Err(error) = &done {
                say("child-error", error);
            }
            std::process::exit(i32::from(done.is_err()));
        }
    }
}

/// Waits until a child has ended well.
fn wait_for(child: Pid) -> Tested {
    let until = Instant::now() + CHILD_TIME;
    loop {
        match waitpid(child, Some(nix::sys::wait::WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(_, 0) => return Ok(()),
            WaitStatus::StillAlive if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            WaitStatus::StillAlive => {
                nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL)?;
                waitpid(child, None)?;
                return Err("the child hangs".into());
            }
            other => return Err(format!("the child ended with {other:?}").into()),
        }
    }
}

/// A program forks with collected hits, and with a reader, a writer and a fetch under way.
pub fn with_readers(driver: &str, dir: &Path) -> Tested {
    let cache = ImageCache::open(Config::builder(dir).driver(driver).hit_delay(HOUR).build()?)?;
    let image = bytes(1, SIZE);
    fill(&cache, "a", &image);
    fill(&cache, "b", &image);
    for _ in 0..3 {
        serve(&cache, "a")?;
    }
    let mut reader = cache.open_for_read("b")?.ok_or("it was cached")?;
    reader.read_exact(&mut vec![0; FIRST])?;
    let mut writer = cache.begin("written", Expected::nothing())?;
    writer.write_all(&image[..FIRST])?;
    writer.flush()?;
    let source = ThrottledSource::unlimited(image.clone());
    let mut fetch = cache.get_or_fetch("fetched", Expected::nothing(), source.fetch())?;
    fetch.read_exact(&mut vec![0; FIRST])?;
    let inherited = (reader, writer, fetch);
    let child = {
        let (cache, image) = (cache.clone(), &image);
        // SAFETY: as in `in_child`, which cannot be used: the child takes what the parent keeps.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                let done = child_with_readers(dir, cache, image, inherited);
                if let Err(error) = &done {
                    say("child-error", error);
                }
                std::process::exit(i32::from(done.is_err()));
            }
        }
    };
    wait_for(child)?;
    let (reader, mut writer, fetch) = inherited;
    writer.write_all(&image[FIRST..])?;
    say("written", format!("{:?}", writer.finish()?).split('(').next().unwrap_or_default());
    say("read-on", read_all(reader)? == image[FIRST..]);
    say("fetched-on", read_all(fetch)? == image[FIRST..]);
    Ok(())
}

fn child_with_readers(
    dir: &Path,
    cache: ImageCache,
    image: &[u8],
    inherited: (CachedReader, ImageWriter, FetchReader),
) -> Tested {
    let (mut reader, mut writer, mut fetch) = inherited;
    let is_forked = |error: &io::Error| matches!(Error::of_io(error), Some(Error::Forked { .. }));
    let fails = |result: io::Result<usize>| result.is_err_and(|error| is_forked(&error));
    say("child-reader-fails", fails(reader.read(&mut [0; 10])));
    say("child-reader-to-end-fails", fails(reader.read_to_end(&mut Vec::new())));
    say("child-writer-fails", fails(writer.write(b"child")));
    say("child-fetch-fails", fails(fetch.read(&mut [0; 10])));
    drop((reader, writer, fetch));
    let files = ["written", "fetched"].map(|id| dir.join("incomplete").join(id).exists());
    say("child-undoes-nothing", files == [true, true]);
    say("child-sees-writer", cache.is_being_cached("written")?);
    // One hit of its own; those of the parent are the parent's.
    say("child-reads", serve(&cache, "a")? == image);
    fill(&cache, "child", image);
    say("child-tickers", threads_named("image-cache-tic")?);
    let grandchild = in_child(|| {
        say("grandchild-reads", serve(&cache, "a")? == image);
        fill(&cache, "grandchild", image);
        drop(cache.clone());
        cache.flush()?;
        Ok(())
    })?;
    wait_for(grandchild)?;
    cache.flush()?;
    Ok(())
}

/// A program forks a child that never uses the cache, fills an image and reads another one, and waits to be killed.
pub fn and_wait(driver: &str, dir: &Path) -> Tested {
    let cache = ImageCache::open(Config::builder(dir).driver(driver).build()?)?;
    let image = bytes(1, SIZE);
    fill(&cache, "read", &image);
    let mut reader = cache.open_for_read("read")?.ok_or("it was cached")?;
    reader.read_exact(&mut vec![0; FIRST])?;
    let mut writer = cache.begin("killed", Expected::nothing())?;
    writer.write_all(&image[..FIRST])?;
    writer.flush()?;
    let child = in_child(|| {
        std::thread::sleep(CHILD_TIME);
        Ok(())
    })?;
    say("ready", child);
    std::thread::sleep(CHILD_TIME);
    drop((reader, writer));
    Ok(())
}

/// A program forks again and again while its threads read, fill and prune. Each child uses the cache.
pub fn while_working(driver: &str, dir: &Path) -> Tested {
    const CHILDREN: usize = 20;
    let cache = ImageCache::open(Config::builder(dir).driver(driver).build()?)?;
    let (image, is_over) = (bytes(1, 100_000), AtomicBool::new(false));
    fill(&cache, "a", &image);
    let work = |number: usize| -> Tested {
        for round in 0.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let id = format!("{number}-{round}");
            fill(&cache, &id, &image);
            assert!(serve(&cache, "a")? == image && serve(&cache, &id)? == image);
            cache.delete_cached_image(&id)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| -> Tested {
        let threads: Vec<_> = (0..3)
            .map(|number| scope.spawn(move || work(number).map_err(|error| error.to_string())))
            .collect();
        let forked = (0..CHILDREN).try_for_each(|number| {
            wait_for(in_child(|| {
                assert!(serve(&cache, "a")? == image);
                fill(&cache, &format!("child-{number}"), &image);
                Ok(cache.flush()?)
            })?)
        });
        is_over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        forked
    })?;
    say("children", CHILDREN);
    Ok(())
}
