//! `add`: adds an image from a file or standard input to the cache.

use crate::command_context::CommandContext;
use crate::error::CliError;
use crate::exit::{Code, print_message};
use crate::output::short_size;
use crate::progress;
use anyhow::Context;
use clap::Args;
use image_cache::{
    CachedImage, Checksum, Expected, ImageCache, ImageId, Outcome, RequestKind, Requester, Tenant,
    parse_bytes,
};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct AddArgs {
    /// The image
    id: ImageId,
    /// A file with its bytes, or - for standard input
    source: PathBuf,
    /// The MD5 that the bytes must have
    #[arg(long, value_name = "HEX")]
    md5: Option<String>,
    /// The SHA-256 that the bytes must have
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// The SHA-512 that the bytes must have
    #[arg(long, value_name = "HEX")]
    sha512: Option<String>,
    /// How many bytes there must be: a number, or a number with a unit (10 MB, 10 MiB)
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    size: Option<u64>,
    /// The tenant for whom it is added, for drivers with a policy for tenants
    #[arg(long, value_name = "NAME")]
    tenant: Option<Tenant>,
}

/// The output of `add`.
#[derive(Serialize)]
struct AddAnswer<'a> {
    image_id: &'a str,
    cached: bool,
    size: Option<u64>,
    checksum: Option<String>,
    reason: Option<&'static str>,
    /// Why the cache failed, if that is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    /// The driver's reason, if it refused the image and named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
}

pub fn add(context: &CommandContext, add: &AddArgs) -> anyhow::Result<Code> {
    let mut expected = Expected::nothing()
        .with_md5(add.md5.as_deref().unwrap_or_default())?
        .with_sha256(add.sha256.as_deref().unwrap_or_default())?
        .with_sha512(add.sha512.as_deref().unwrap_or_default())?;
    let (mut source, length) = open(&add.source)?;
    expected.size = add.size.or(length);
    let may_end = expected.size.is_some() || !expected.checksums().is_empty();
    let mut source = NotEmpty { source: &mut source, may_end };
    let requester = Requester::of(RequestKind::Add).with_tenant(add.tenant.clone());
    let cache = context.open()?.on_behalf_of(requester);
    let bar = progress::bytes(add.id.as_str(), length.or(add.size));
    let outcome = cache.cache_image(add.id.as_str(), bar.wrap_read(&mut source), expected.clone());
    bar.finish_and_clear();
    let (answer, words) = answer(&cache, add, &expected, outcome?)?;
    context.format.print(&answer, |answer| match answer.size {
        Some(size) if answer.cached => {
            format!("{} is {words}: {}", answer.image_id, short_size(size))
        }
        _ => String::new(),
    })?;
    if !answer.cached {
        print_message("error", &format!("image {} is not cached: {words}", add.id));
    }
    Ok(if answer.cached { Code::Done } else { Code::Failed })
}

/// The output as a value and as text.
fn answer<'a>(
    cache: &ImageCache,
    add: &'a AddArgs,
    expected: &Expected,
    outcome: Outcome,
) -> anyhow::Result<(AddAnswer<'a>, String)> {
    let image_id = add.id.as_str();
    let (record, reason) = match outcome {
        Outcome::Cached(image) => (Some(image), None),
        Outcome::AlreadyCached => {
            let record = cache.cached_image(image_id)?;
            if let Some(record) = &record {
                check_cached(expected, record)?;
            }
            (record, Some("already-cached"))
        }
        other => {
            let failure = match &other {
                Outcome::CacheFailed(failure) => Some(failure.name()),
                _ => None,
            };
            let refusal = match &other {
                Outcome::RefusedByDriver(reason) => reason.clone(),
                _ => None,
            };
            let (reason, text) = why_not_cached(cache, image_id, other);
            let (cached, size, checksum, reason) = (false, None, None, Some(reason));
            let answer = AddAnswer { image_id, cached, size, checksum, reason, failure, refusal };
            return Ok((answer, text));
        }
    };
    // The image may have been removed since, or its record may be missing: the file's size is still correct.
    let size = match &record {
        Some(record) => Some(record.size),
        None => cache.image_size(image_id)?,
    };
    let checksum = record.and_then(|record| record.checksum);
    let text = match reason {
        Some(_) => already_cached(expected, checksum.as_ref()),
        None => "cached".to_owned(),
    };
    let checksum = checksum.map(|checksum| checksum.to_string());
    let (cached, failure) = (true, None);
    let refusal = None;
    let answer = AddAnswer { image_id, cached, size, checksum, reason, failure, refusal };
    Ok((answer, text))
}

/// A source of unknown size must have bytes: an empty pipe is more often a failed command than an empty image.
struct NotEmpty<R> {
    source: R,
    may_end: bool,
}

impl<R: Read> Read for NotEmpty<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        if count == 0 && !self.may_end && !buffer.is_empty() {
            return Err(io::Error::other("it is empty; to add an empty image, use --size 0"));
        }
        self.may_end = true;
        Ok(count)
    }
}

/// Whether the cached image is the one that the caller wants to add, as far as its record tells.
fn check_cached(expected: &Expected, cached: &CachedImage) -> anyhow::Result<()> {
    let size = expected.size.filter(|size| *size != cached.size);
    let known = cached.checksum.as_ref();
    let checksum = known.and_then(|known| expected.checksum(known.algorithm()).zip(Some(known)));
    let what = match (size, checksum) {
        (Some(size), _) => {
            format!("{size} bytes were expected, the cached image has {}", cached.size)
        }
        (None, Some((checksum, known))) if checksum != known => {
            let algorithm = known.algorithm();
            format!("{algorithm} {checksum} was expected, the cached image has {known}")
        }
        _ => return Ok(()),
    };
    Err(CliError::OtherImage { id: cached.image_id.clone(), what }.into())
}

/// The text for an image that was cached before, with the expected checksums that its record does not have.
fn already_cached(expected: &Expected, known: Option<&Checksum>) -> String {
    let known = known.map(Checksum::algorithm);
    let expected = expected.checksums().iter().map(Checksum::algorithm);
    let others = expected.filter(|algorithm| Some(*algorithm) != known);
    let others: Vec<String> = others.map(|algorithm| algorithm.to_string()).collect();
    match &others[..] {
        [] => "already cached".to_owned(),
        [other] => format!("already cached, and its {other} is not known, so it was not compared"),
        others => {
            let others = others.join(" and ");
            format!("already cached, and its {others} are not known, so they were not compared")
        }
    }
}

/// The reason in the output, and in the error.
fn why_not_cached(cache: &ImageCache, id: &str, outcome: Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::BeingCached => {
            ("being-cached", "another process is caching it; wait for that one".to_owned())
        }
        Outcome::RefusedByDriver(_) => {
            let refusal = cache.last_refusal(id).ok().flatten();
            (
                "refused-by-driver",
                refusal.unwrap_or_else(|| "the driver does not want it".to_owned()),
            )
        }
        Outcome::CacheFailed(why) => ("cache-failed", format!("{why}; fix this and add it again")),
        other => ("unknown", format!("{other:?}")),
    }
}

/// The source, and its size if that is known.
fn open(path: &Path) -> anyhow::Result<(File, Option<u64>)> {
    let is_stdin = path.as_os_str() == "-";
    let shown = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let cannot = || format!("cannot read {shown}");
    let mut file = if is_stdin {
        File::from(io::stdin().as_fd().try_clone_to_owned().with_context(cannot)?)
    } else {
        File::open(path).with_context(cannot)?
    };
    let metadata = file.metadata().with_context(cannot)?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory)).with_context(cannot);
    }
    // Standard input may be a file that is already partly read.
    let position =
        if metadata.is_file() { file.stream_position().with_context(cannot)? } else { 0 };
    Ok((file, metadata.is_file().then(|| metadata.len().saturating_sub(position))))
}
