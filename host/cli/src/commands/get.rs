//! `get`: writes a cached image to standard output or into a file.

use super::images::not_cached;
use crate::command_context::CommandContext;
use crate::error::CliError;
use crate::exit::Code;
use crate::output::{stdout, write_error};
use crate::output_file::OutputFile;
use crate::progress;
use anyhow::Context;
use clap::Args;
use image_cache::{CachedReader, ImageId};
use indicatif::ProgressBar;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;

/// How many bytes are verified at once: reads of whole blocks need no copy.
const READ_BYTES: usize = 1 << 20;

#[derive(Debug, Args)]
pub struct GetArgs {
    /// The image
    id: ImageId,
    /// Write into this file instead, all or nothing; - is standard output, even a terminal
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn get(context: &CommandContext, get: &GetArgs) -> anyhow::Result<Code> {
    if get.output.is_none() && io::stdout().is_terminal() {
        let text = "standard output is a terminal: use --output FILE, or --output - to write the bytes there";
        return Err(CliError::Usage(text.to_owned()).into());
    }
    let cache = context.open()?;
    let Some(mut reader) = cache.open_for_read(get.id.as_str())? else {
        return Err(not_cached(&cache, &get.id));
    };
    let bar = progress::bytes(get.id.as_str(), Some(reader.size()));
    match get.output.as_ref().filter(|path| path.as_os_str() != "-") {
        None => {
            let mut stdout = stdout().map_err(write_error)?;
            pass(&mut reader, &bar, |block| stdout.write_all(block), write_error)?;
        }
        Some(path) => {
            let cannot = || format!("cannot write {}", path.display());
            let mut file = OutputFile::create(path).with_context(cannot)?;
            pass(
                &mut reader,
                &bar,
                |block| file.write_all(block),
                |error| anyhow::Error::from(error).context(cannot()),
            )?;
            file.commit().with_context(cannot)?;
        }
    }
    bar.finish_and_clear();
    // The hit is recorded at the latest when the cache is dropped. If that fails, the read has still succeeded.
    Ok(Code::Done)
}

/// Copies the image block by block. Errors of the reader and of the writer are different.
fn pass(
    reader: &mut CachedReader,
    bar: &ProgressBar,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
    write_error: impl Fn(io::Error) -> anyhow::Error,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                write(&buffer[..count]).map_err(&write_error)?;
                bar.inc(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(anyhow::Error::from(error).context("cannot read the cached image"));
            }
        }
    }
}
