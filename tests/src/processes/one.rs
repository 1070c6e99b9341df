//! One of the processes: runs random operations of the cache, and checks each result.

use super::images::{MAX_SIZE, PASSING, STEADY, image};
use crate::{Source, TempCache, Tested, md5_hex, read_all, read_until_error, wrong_md5};
use image_cache::{Expected, ImageCache, Outcome};
use std::collections::BTreeMap;
use std::io::{Cursor, Error, ErrorKind, Read};
use std::time::{Duration, Instant};

pub(super) const NUMBER: &str = "PROCESSES_NUMBER";
pub(super) const SEED: &str = "PROCESSES_SEED";
pub(super) const SECONDS: &str = "PROCESSES_SECONDS";

/// Whether this program was started as one of the processes.
pub fn is_one() -> bool {
    std::env::var_os(NUMBER).is_some()
}

/// Works as one of the processes; does nothing if the program was not started as one.
pub fn one() -> Tested {
    let Some(temp) = TempCache::of_parent().filter(|_| is_one()) else { return Ok(()) };
    let number = |name: &str| -> Tested<u64> { Ok(std::env::var(name)?.parse()?) };
    let (number, seed, seconds) = (number(NUMBER)?, number(SEED)?, number(SECONDS)?);
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut one = One {
        cache: open(&temp, number),
        temp,
        number,
        random: seed.wrapping_mul(1000).wrapping_add(number),
        did: BTreeMap::new(),
    };
    while Instant::now() < until {
        one.step()?;
    }
    // The collected hits are written now.
    drop(one.cache);
    for (name, count) in one.did {
        println!("did {name} {count}");
    }
    Ok(())
}

struct One {
    temp: TempCache,
    number: u64,
    cache: ImageCache,
    random: u64,
    /// The number of each operation, and of complete reads of each permanent image.
    did: BTreeMap<String, u64>,
}

/// The processes differ in the delay of hits, and in whether the limit is a hard limit.
fn open(temp: &TempCache, number: u64) -> ImageCache {
    temp.open_with(|config| {
        let delay = Duration::from_millis(if number % 4 == 1 { 20 } else { 0 });
        config.max_size(MAX_SIZE).hit_delay(delay).hard_limit(number % 4 == 2)
    })
}

impl One {
    fn random(&mut self, below: u64) -> u64 {
        // splitmix64
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % below
    }

    fn step(&mut self) -> Tested {
        let id = format!("passing-{}", self.random(PASSING as u64));
        let name = match self.random(100) {
            0..36 => self.read_steady(),
            36..44 => self.read_passing(&id),
            44..54 => self.share(&id),
            54..64 => self.fetch(&id),
            64..70 => self.fetch_in_vain(&id),
            70..78 => self.cache.delete_cached_image(&id).map(|_| "delete").map_err(Into::into),
            78..82 => self.cache.prune().map(|_| "prune").map_err(Into::into),
            82..85 => self.cache.clean(Some(Duration::ZERO)).map(|_| "clean").map_err(Into::into),
            85..92 => self.queue(&id),
            92..98 => self.look(&id),
            _ => self.reopen(),
        };
        match name {
            Ok(name) => *self.did.entry(name.to_owned()).or_default() += 1,
            Err(error) => return Err(format!("process {}, {id}: {error}", self.number).into()),
        }
        Ok(())
    }

    fn read_steady(&mut self) -> Tested<&'static str> {
        let (id, kind) = (STEADY[self.random(STEADY.len() as u64) as usize], self.random(8));
        let all = image(id);
        let is = |right: bool| if right { Ok(()) } else { Err(format!("{id} is torn")) };
        match kind {
            0 => {
                let mut reader = self.cache.open_for_read(id)?.ok_or("it was evicted")?;
                reader.read_exact(&mut [0; 999])?;
                return Ok("abandon");
            }
            1 => {
                let from = self.random(all.len() as u64);
                let range = from..from + self.random(all.len() as u64 - from) + 1;
                let part = self.cache.open_range(id, range.clone())?.ok_or("it was evicted")?;
                let range = range.start as usize..(range.end as usize).min(all.len());
                is(read_all(part)? == all[range])?;
            }
            2 => {
                let evicted = || Err::<&[u8], _>(Error::other("it was evicted"));
                is(read_all(self.cache.get_or_fetch(id, Expected::nothing(), evicted)?)? == all)?;
            }
            _ => {
                let reader = self.cache.open_for_read(id)?.ok_or("it was evicted")?;
                is(read_all(reader)? == all)?;
            }
        }
        *self.did.entry(id.to_owned()).or_default() += 1;
        Ok("read")
    }

    fn read_passing(&mut self, id: &str) -> Tested<&'static str> {
        let Some(reader) = self.cache.open_for_read(id)? else { return Ok("miss") };
        if read_all(reader)? != image(id) {
            return Err("torn".into());
        }
        Ok("read")
    }

    /// Reads an image from the cache or its source, together with other processes that fetch it.
    fn share(&mut self, id: &str) -> Tested<&'static str> {
        let all = image(id);
        let mut expected = Expected::nothing();
        if self.random(2) == 0 {
            expected = expected.with_md5(&md5_hex(&all))?.with_size(all.len() as u64);
        }
        let source = Cursor::new(all.clone());
        let mut reader = self.cache.get_or_fetch(id, expected, move || Ok(source))?;
        if self.random(6) == 0 {
            reader.read_exact(&mut [0; 500])?;
            return Ok("abandon");
        }
        let (came, end) = read_until_error(&mut reader, 9000);
        end?;
        if came == all { Ok("share") } else { Err("the sharing reader got something else".into()) }
    }

    fn fetch(&mut self, id: &str) -> Tested<&'static str> {
        let all = image(id);
        let mut expected = Expected::nothing().with_md5(&md5_hex(&all))?;
        if self.random(2) == 0 {
            expected = expected.with_size(all.len() as u64);
        }
        let outcome = if self.random(4) == 0 {
            self.cache.cache_image(id, &all[..], expected)?
        } else {
            let mut reader = self.cache.caching_reader(id, &all[..], expected)?;
            let (came, end) = read_until_error(&mut reader, 7000);
            end?;
            if came != all {
                return Err("the filling reader got something else".into());
            }
            reader.outcome().cloned().ok_or("there is no outcome at the end")?
        };
        match outcome {
            Outcome::Cached(_) => Ok("cache"),
            Outcome::AlreadyCached | Outcome::BeingCached => Ok("pass"),
            Outcome::CacheFailed(reason)
                if reason.to_string().contains("no space within image_cache_max_size") =>
            {
                Ok("no-room")
            }
            other => Err(format!("{other:?}").into()),
        }
    }

    /// A fetch that is aborted, whose source fails, or whose checksum is wrong.
    fn fetch_in_vain(&mut self, id: &str) -> Tested<&'static str> {
        let all = image(id);
        match self.random(3) {
            0 => {
                let mut reader = self.cache.caching_reader(id, &all[..], Expected::nothing())?;
                reader.read_exact(&mut [0; 500])?;
            }
            1 => {
                let failing = Source::of(&all[..500]).then_fails(|| ErrorKind::BrokenPipe.into());
                match self.cache.cache_image(id, failing, Expected::nothing()) {
                    Err(image_cache::Error::SourceFailed { .. })
                    | Ok(Outcome::AlreadyCached | Outcome::BeingCached) => {}
                    Ok(Outcome::CacheFailed(reason))
                        if reason.to_string().contains("no space within") => {}
                    other => return Err(format!("{other:?}").into()),
                }
            }
            _ => {
                let wrong = Expected::nothing().with_md5(&wrong_md5(&all))?;
                let (came, end) =
                    read_until_error(&mut self.cache.caching_reader(id, &all[..], wrong)?, 7000);
                if came.len() >= all.len() || end.is_ok() {
                    return Err("a wrong checksum passed".into());
                }
            }
        }
        Ok("break")
    }

    fn queue(&mut self, id: &str) -> Tested<&'static str> {
        match self.random(3) {
            0 => drop(self.cache.queue_image(id)?),
            1 => drop(self.cache.delete_queued_image(id)?),
            _ => drop(self.cache.queued_images()?),
        }
        Ok("queue")
    }

    fn look(&mut self, id: &str) -> Tested<&'static str> {
        match self.random(4) {
            0 => {
                let status = self.cache.status()?;
                if let Some(fallback) = status.driver.fallback {
                    return Err(format!("the driver was replaced: {fallback:?}").into());
                }
            }
            1 => {
                let images = self.cache.cached_images()?;
                if !images.is_sorted_by(|a, b| a.image_id < b.image_id) {
                    return Err(format!("an image is listed twice: {images:?}").into());
                }
            }
            2 => {
                if let Some(record) = self.cache.cached_image(id)?
                    && record.size != image(id).len() as u64
                {
                    return Err(format!("{record:?}").into());
                }
            }
            _ => drop((self.cache.is_cacheable(id, None)?, self.cache.cache_size()?)),
        }
        Ok("look")
    }

    fn reopen(&mut self) -> Tested<&'static str> {
        self.cache = open(&self.temp, self.number);
        Ok("open")
    }
}
