//! `pin`: images that are not evicted.

use crate::command_context::CommandContext;
use crate::exit::{Code, print_message};
use crate::output::{columns, exact_time};
use clap::Subcommand;
use image_cache::{ImageId, Pin, PinnedImage};
use serde::Serialize;
use std::time::{Duration, SystemTime};

#[derive(Debug, Subcommand)]
pub enum PinCommand {
    /// Protect images from eviction, also those that are cached later
    Add {
        /// The images
        #[arg(required = true, value_name = "ID")]
        ids: Vec<ImageId>,
        /// The name of the pin: an image stays until the last of its pins is removed or ends
        #[arg(long, value_name = "NAME", default_value = "operator")]
        name: String,
        /// When the pin ends by itself, for example 12h or 30days; without it, it has no end
        #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
        time: Option<Duration>,
    },
    /// List the pinned images and their pins
    List,
    /// Remove a pin of each image; if one did not have it, the others are changed and the exit code is 3
    Remove {
        /// The images
        #[arg(required = true, value_name = "ID")]
        ids: Vec<ImageId>,
        /// The name of the pin
        #[arg(long, value_name = "NAME", default_value = "operator", conflicts_with = "all")]
        name: String,
        /// Remove all pins of the images
        #[arg(long)]
        all: bool,
    },
}

/// A row of the output of `pin list`.
#[derive(Serialize)]
struct PinRow {
    image_id: String,
    name: String,
    until: Option<String>,
}

pub fn pin(context: &CommandContext, command: &PinCommand) -> anyhow::Result<Code> {
    match command {
        PinCommand::Add { ids, name, time } => add(context, ids, name, *time),
        PinCommand::List => list(context),
        PinCommand::Remove { ids, name, all } => {
            remove(context, ids, Some(name.as_str()).filter(|_| !all))
        }
    }
}

fn add(
    context: &CommandContext,
    ids: &[ImageId],
    name: &str,
    time: Option<Duration>,
) -> anyhow::Result<Code> {
    let cache = context.open()?;
    let until =
        match time {
            Some(time) => Some(SystemTime::now().checked_add(time).ok_or_else(|| {
                anyhow::anyhow!("--for is too long; without it, the pin has no end")
            })?),
            None => None,
        };
    for id in ids {
        cache.pin_image(id.as_str(), Pin::new(name, until))?;
        if !cache.is_cached(id.as_str())? {
            let words = format!("{id} is not cached now; it is pinned as soon as it is");
            print_message("note", &words);
        }
    }
    Ok(Code::Done)
}

fn list(context: &CommandContext) -> anyhow::Result<Code> {
    let pinned = context.open()?.pinned_images()?;
    let rows: Vec<PinRow> = pinned.iter().flat_map(rows).collect();
    context.format.print(&rows, |rows| {
        let row = |row: &PinRow| {
            let until = row.until.clone().unwrap_or_else(|| "no end".to_owned());
            [row.image_id.clone(), row.name.clone(), until]
        };
        columns(["ID", "PIN", "UNTIL"], rows.iter().map(row))
    })?;
    Ok(Code::Done)
}

fn rows(pinned: &PinnedImage) -> Vec<PinRow> {
    let row = |pin: &Pin| PinRow {
        image_id: pinned.image_id.to_string(),
        name: pin.name.clone(),
        until: pin.until.map(exact_time),
    };
    pinned.pins.iter().map(row).collect()
}

fn remove(context: &CommandContext, ids: &[ImageId], name: Option<&str>) -> anyhow::Result<Code> {
    let cache = context.open()?;
    let mut code = Code::Done;
    for id in ids {
        if cache.unpin_image(id.as_str(), name)? == 0 {
            let words = match name {
                Some(name) => format!("{id} has no pin {name:?}; see `image-cache pin list`"),
                None => format!("{id} is not pinned"),
            };
            print_message("error", &words);
            code = Code::NoSuchImage;
        }
    }
    Ok(code)
}
