//! Evicting images in the driver's order until the cache is small enough.

use crate::books::Books;
use crate::cache::{Kept, Shared};
use crate::directory;
use crate::driver::{CacheSize, Eviction};
use crate::error::Result;
use crate::image_id::ImageId;
use crate::removing::{BATCH, Removal, remove_batch};
use std::collections::BTreeMap;
use std::io;
use std::time::SystemTime;

/// Victims that are asked for at once: a driver that must look at every image for them looks seldom.
const VICTIMS: u32 = 10_000;

/// Rounds in which the driver leads us in circles before we give up. One that is not sqlite is replaced before that.
const VAIN_ROUNDS: u32 = 8;

/// Victims that may turn out not to be cached before that is a vain round: another process may have removed some.
const STRANGERS: usize = 10_000;

/// What [`ImageCache::prune`](crate::ImageCache::prune) did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many images were evicted.
    pub images: u64,
    /// How many bytes they had.
    pub bytes: u64,
    /// Images that the driver named but that could not be evicted, being read for instance.
    pub kept: Vec<Kept>,
}

pub(crate) fn prune(shared: &Shared) -> Result<Pruned> {
    let mut run = Run::start(shared)?;
    // First what the policy wants gone whatever the size, then what the size demands.
    while run.round(0, u64::MAX)? {}
    let max_size = shared.config.max_size;
    loop {
        let size = shared.cache_size()?;
        let excess = size.bytes.saturating_sub(max_size);
        // A limit of 0 empties the cache, of empty images too.
        let needed = if max_size == 0 && size.images > 0 { u64::MAX } else { excess };
        if needed == 0 || !run.round(needed, needed)? {
            break;
        }
    }
    run.pruned.kept = run
        .passed_over
        .into_iter()
        .filter_map(|(image_id, reason)| Some(Kept { image_id, reason: reason? }))
        .collect();
    Ok(run.pruned)
}

/// Evicts in the driver's order until so many bytes have gone, or nothing can go; how many went.
pub(crate) fn evict_bytes(shared: &Shared, bytes: u64) -> Result<u64> {
    let mut run = Run::start(shared)?;
    while run.pruned.bytes < bytes {
        let needed = bytes - run.pruned.bytes;
        if !run.round(needed, needed)? {
            break;
        }
    }
    Ok(run.pruned.bytes)
}

struct Run<'a> {
    shared: &'a Shared,
    pruned: Pruned,
    /// Images not to be named again, with the reason where they are still there.
    passed_over: BTreeMap<ImageId, Option<String>>,
    /// How many of those were not cached at all.
    strangers: usize,
    vain: u32,
    /// What was cached after the last of those.
    vain_at: Option<CacheSize>,
}

impl<'a> Run<'a> {
    fn start(shared: &'a Shared) -> Result<Self> {
        shared.bring_up_to_date();
        // What the driver does not know it cannot name: a file that came meanwhile would cost all others.
        if shared.read_books(Books::cache_size)? != shared.cache_size()? {
            shared.books.out_of_step();
            shared.settle();
        }
        let (pruned, passed_over) = (Pruned::default(), BTreeMap::new());
        Ok(Run { shared, pruned, passed_over, strangers: 0, vain: 0, vain_at: None })
    }

    /// Asks for victims and evicts them until `enough` bytes have gone; false where it is no use to go on.
    fn round(&mut self, bytes_needed: u64, enough: u64) -> Result<bool> {
        let exclude: Vec<ImageId> = self.passed_over.keys().cloned().collect();
        let request =
            Eviction { now: SystemTime::now(), bytes_needed, exclude: &exclude, limit: VICTIMS };
        let victims = self.shared.read_books(|books| books.select_victims(&request))?;
        if victims.is_empty() {
            return self.none_named(bytes_needed);
        }
        let ids: Vec<ImageId> = victims.into_iter().map(|victim| victim.image_id).collect();
        let (mut freed, seen) = (0u64, self.pruned.images + self.kept());
        let mut rest = &ids[..];
        while !rest.is_empty() && freed < enough {
            let (batch, others) = rest.split_at(self.fitting(rest, enough - freed));
            freed = freed.saturating_add(self.evict(batch)?);
            rest = others;
        }
        let is_further = self.pruned.images + self.kept() > seen;
        if is_further && self.strangers <= STRANGERS {
            return Ok(true);
        }
        self.in_vain("it names victims that are not cached")
    }

    /// The driver names nobody: right where nobody has to go, or nobody is left who can.
    fn none_named(&mut self, bytes_needed: u64) -> Result<bool> {
        if bytes_needed == 0 || self.shared.cache_size()?.images <= self.kept() {
            return Ok(false);
        }
        self.in_vain("it names no victim, though the cache is larger than it may be")
    }

    /// A round that led nowhere; whether to go on. That speaks against the driver only where the directory stood still:
    /// another process may have removed what it named, or brought what it could not know.
    fn in_vain(&mut self, reason: &str) -> Result<bool> {
        self.passed_over.retain(|_, reason| reason.is_some());
        self.strangers = 0;
        self.vain += 1;
        let cached = self.shared.cache_size()?;
        let stood_still = self.vain_at.replace(cached) == Some(cached);
        if stood_still && self.shared.books.distrust("name victims", reason) {
            self.vain = 0;
        }
        Ok(self.vain < VAIN_ROUNDS)
    }

    /// Images that were named and are still there.
    fn kept(&self) -> u64 {
        (self.passed_over.len() - self.strangers) as u64
    }

    /// How many of the first images have to go for `bytes`: no image more than needed, no batch too large.
    fn fitting(&self, ids: &[ImageId], bytes: u64) -> usize {
        let mut sum = 0u64;
        for (n, id) in ids.iter().take(BATCH).enumerate() {
            let size =
                self.shared.directory.cached_file(id).ok().flatten().map_or(0, |info| info.size);
            sum = sum.saturating_add(size);
            if sum >= bytes {
                return n + 1;
            }
        }
        ids.len().min(BATCH)
    }

    fn evict(&mut self, ids: &[ImageId]) -> Result<u64> {
        let mut freed = 0;
        for image in remove_batch(self.shared, ids, evict)? {
            match image.size {
                Some(size) => {
                    self.pruned.images += 1;
                    self.shared.tally.evictions.one();
                    self.shared.tally.bytes_evicted.add(size);
                    freed += size;
                }
                None => {
                    self.strangers += usize::from(image.kept.is_none());
                    let reason = image.kept.map(|error| error.to_string());
                    self.passed_over.insert(image.image_id, reason);
                }
            }
        }
        self.pruned.bytes += freed;
        Ok(freed)
    }
}

fn evict(shared: &Shared, id: &ImageId) -> Removal {
    match shared.directory.evict(id) {
        Ok(directory::Eviction::Evicted { size }) => Ok(Some(size)),
        Ok(directory::Eviction::Gone) => Ok(None),
        Ok(directory::Eviction::BeingRead) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is being read"))
        }
        Err(error) => Err(error),
    }
}
