//! Converts values for a guest, and checks each value that it returns: a guest's results are untrusted input.

use super::error::ConfigurationRefusal;
use crate::bindings::exports::image_cache::driver::driver as wit;
use crate::bindings::image_cache::driver::types;
use image_cache_model::{
    CacheSize, CachedImage, Checksum, ChecksumAlgorithm, Eviction, Hit, ImageId, InvalidImageId,
    Leftover, LeftoverState, Victim, hides, printable, system_time, timestamp,
};
use std::collections::{HashMap, HashSet};

/// Maximum length of a driver's name or version, in bytes.
const MAX_DESCRIPTION: usize = 64;

/// Maximum size or count that is accepted: the limit of SQLite and of a file's length.
const MAX_NUMBER: u64 = i64::MAX as u64;

/// How a guest's result violates the contract, as a text.
pub type ContractViolation = String;

pub(super) fn image_to_guest(image: &CachedImage) -> types::CachedImage {
    types::CachedImage {
        image_id: image.image_id.as_str().into(),
        size: image.size,
        hits: image.hits,
        last_accessed: timestamp(image.last_accessed),
        last_modified: timestamp(image.last_modified),
        checksum: image.checksum.as_ref().and_then(checksum_to_guest),
    }
}

/// `None` if the interface has no such algorithm.
fn checksum_to_guest(sum: &Checksum) -> Option<types::Checksum> {
    let algorithm = match sum.algorithm() {
        ChecksumAlgorithm::Md5 => types::ChecksumAlgorithm::Md5,
        ChecksumAlgorithm::Sha256 => types::ChecksumAlgorithm::Sha256,
        ChecksumAlgorithm::Sha512 => types::ChecksumAlgorithm::Sha512,
        _ => return None,
    };
    Some(types::Checksum { algorithm, value: sum.value().into() })
}

pub(super) fn hits_to_guest(hits: &[Hit]) -> Vec<wit::Hit> {
    hits.iter()
        .map(|hit| wit::Hit { image_id: hit.image_id.as_str().into(), at: timestamp(hit.at) })
        .collect()
}

pub(super) fn ids_to_guest(ids: &[ImageId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().into()).collect()
}

pub(super) fn eviction_to_guest(eviction: &Eviction<'_>) -> wit::Eviction {
    wit::Eviction {
        now: timestamp(eviction.now),
        bytes_needed: eviction.bytes_needed,
        exclude: ids_to_guest(eviction.exclude),
        limit: eviction.limit,
    }
}

pub(super) fn leftovers_to_guest(leftovers: &[Leftover]) -> Vec<wit::Leftover> {
    let one = |leftover: &Leftover| wit::Leftover {
        image_id: leftover.image_id.as_str().into(),
        state: match leftover.state {
            LeftoverState::Incomplete => wit::LeftoverState::Incomplete,
            LeftoverState::Invalid => wit::LeftoverState::Invalid,
        },
        size: leftover.size,
        modified: timestamp(leftover.modified),
    };
    leftovers.iter().map(one).collect()
}

/// A driver's name and version.
pub(super) fn description(
    description: wit::Description,
) -> Result<(String, String), ContractViolation> {
    for (what, text) in [("name", &description.name), ("version", &description.version)] {
        if text.is_empty() || text.len() > MAX_DESCRIPTION || text.chars().any(hides) {
            let shown = printable(text, MAX_DESCRIPTION);
            return Err(format!(
                "a {what} is 1 to {MAX_DESCRIPTION} printable bytes, not {shown:?}"
            ));
        }
    }
    Ok((description.name, description.version))
}

/// Why a driver rejects its configuration.
pub(super) fn configuration_error(error: wit::ConfigurationError) -> ConfigurationRefusal {
    match error {
        wit::ConfigurationError::Unsupported(text) => {
            ConfigurationRefusal::Unsupported(reason(&text))
        }
        wit::ConfigurationError::InvalidOption(text) => {
            ConfigurationRefusal::InvalidOption(reason(&text))
        }
        wit::ConfigurationError::Other(text) => ConfigurationRefusal::Other(reason(&text)),
    }
}

/// The text of a guest's error; words of our own if it is empty.
fn reason(text: &str) -> String {
    match text.trim() {
        "" => "the driver refused its configuration without a reason".into(),
        text => printable(text, 1024),
    }
}

/// One record, which must be that of `asked`.
pub(super) fn record_of(
    asked: &ImageId,
    image: Option<types::CachedImage>,
) -> Result<Option<CachedImage>, ContractViolation> {
    let Some(image) = image.map(record).transpose()? else { return Ok(None) };
    if image.image_id != *asked {
        return Err(format!(
            "asked for the record of {asked:?}, it answered that of {:?}",
            image.image_id
        ));
    }
    Ok(Some(image))
}

/// A page of records: strictly ascending, all after `after`, at most `limit`.
pub(super) fn page(
    after: Option<&ImageId>,
    limit: u32,
    images: Vec<types::CachedImage>,
) -> Result<Vec<CachedImage>, ContractViolation> {
    at_most(limit, images.len(), "records")?;
    let mut page: Vec<CachedImage> = Vec::with_capacity(images.len());
    for image in images {
        let image = record(image)?;
        let before = page.last().map(|last| &last.image_id).or(after);
        if before.is_some_and(|before| *before >= image.image_id) {
            return Err(format!(
                "records ascend by id, but {:?} came after {:?}",
                image.image_id, before
            ));
        }
        page.push(image);
    }
    Ok(page)
}

pub(super) fn cache_size(size: wit::CacheSize) -> Result<CacheSize, ContractViolation> {
    Ok(CacheSize { images: number("images", size.images)?, bytes: number("bytes", size.bytes)? })
}

/// Victims: at most the requested number, none twice, none that was excluded.
pub(super) fn victims(
    eviction: &Eviction<'_>,
    victims: Vec<wit::Victim>,
) -> Result<Vec<Victim>, ContractViolation> {
    at_most(eviction.limit, victims.len(), "victims")?;
    let mut barred: HashSet<&str> = eviction.exclude.iter().map(ImageId::as_str).collect();
    let one = |victim: &wit::Victim| {
        Ok(Victim { image_id: image_id(&victim.image_id)?, size: number("size", victim.size)? })
    };
    let checked: Vec<Victim> = victims.iter().map(one).collect::<Result<_, ContractViolation>>()?;
    for victim in &checked {
        if !barred.insert(victim.image_id.as_str()) {
            return Err(format!(
                "it named {:?} for eviction, which was excluded or named before",
                victim.image_id
            ));
        }
    }
    Ok(checked)
}

/// Leftovers to remove: only those that were offered, none twice. The function returns the host's own values.
pub(super) fn leftovers(
    offered: &[Leftover],
    chosen: &[wit::Leftover],
) -> Result<Vec<Leftover>, ContractViolation> {
    let mut open: HashMap<_, _> =
        offered.iter().map(|l| ((l.image_id.as_str(), l.state), l)).collect();
    let mut checked = Vec::with_capacity(chosen.len().min(offered.len()));
    for leftover in chosen {
        let state = match leftover.state {
            wit::LeftoverState::Incomplete => LeftoverState::Incomplete,
            wit::LeftoverState::Invalid => LeftoverState::Invalid,
        };
        let Some(known) = open.remove(&(leftover.image_id.as_str(), state)) else {
            let id = printable(&leftover.image_id, 255);
            return Err(format!(
                "it named the leftover {id:?} for removal, which was not offered or named before"
            ));
        };
        checked.push(known.clone());
    }
    Ok(checked)
}

fn record(image: types::CachedImage) -> Result<CachedImage, ContractViolation> {
    Ok(CachedImage::new(
        image_id(&image.image_id)?,
        number("size", image.size)?,
        system_time(image.last_modified),
    )
    .with_hits(number("hits", image.hits)?)
    .with_last_accessed(system_time(image.last_accessed))
    .with_checksum(image.checksum.map(checksum).transpose()?))
}

fn checksum(sum: types::Checksum) -> Result<Checksum, ContractViolation> {
    let algorithm = match sum.algorithm {
        types::ChecksumAlgorithm::Md5 => ChecksumAlgorithm::Md5,
        types::ChecksumAlgorithm::Sha256 => ChecksumAlgorithm::Sha256,
        types::ChecksumAlgorithm::Sha512 => ChecksumAlgorithm::Sha512,
    };
    Checksum::new(algorithm, &sum.value).map_err(|e| printable(&e.to_string(), 255))
}

fn image_id(id: &str) -> Result<ImageId, ContractViolation> {
    id.parse().map_err(|e: InvalidImageId| e.to_string())
}

fn number(what: &str, number: u64) -> Result<u64, ContractViolation> {
    if number > MAX_NUMBER {
        return Err(format!("{what} is {number}; at most {MAX_NUMBER} is accepted"));
    }
    Ok(number)
}

fn at_most(limit: u32, length: usize, what: &str) -> Result<(), ContractViolation> {
    if u32::try_from(length).is_ok_and(|length| length <= limit) {
        return Ok(());
    }
    Err(format!("it returned {length} {what} where at most {limit} were requested"))
}
