//! `queue`: the images to fetch.

use super::remove::{RemoveArgs, RemoveOperation};
use crate::command_context::CommandContext;
use crate::exit::Code;
use crate::output::columns;
use clap::Subcommand;
use image_cache::{ImageCache, ImageId};
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Put images into the queue
    Add {
        /// The images, in the order in which they are to be fetched
        #[arg(required = true, value_name = "ID")]
        ids: Vec<ImageId>,
    },
    /// List the queue, oldest first
    List,
    /// Take images out of the queue
    Remove(RemoveArgs),
}

/// An element of the output of `queue add`.
#[derive(Serialize)]
struct QueueAddAnswer<'a> {
    image_id: &'a str,
    queued: bool,
    reason: Option<&'static str>,
}

/// An element of the output of `queue list`.
#[derive(Serialize)]
struct QueuedImage<'a> {
    image_id: &'a str,
}

pub fn queue(context: &CommandContext, command: &QueueCommand) -> anyhow::Result<Code> {
    match command {
        QueueCommand::Add { ids } => add(context, ids),
        QueueCommand::List => list(context),
        QueueCommand::Remove(which) => {
            let removal = RemoveOperation {
                question: "Remove all images from the queue?",
                missing: "it is not queued",
                one: ImageCache::delete_queued_image,
                all: ImageCache::delete_all_queued_images,
            };
            removal.run(context, which)
        }
    }
}

fn add(context: &CommandContext, ids: &[ImageId]) -> anyhow::Result<Code> {
    let cache = context.open()?;
    let queued: Result<Vec<QueueAddAnswer<'_>>, _> =
        ids.iter().map(|id| add_one(&cache, id.as_str())).collect();
    context.format.print(&queued?, |queued| columns(["ID", "STATE"], queued.iter().map(row)))?;
    Ok(Code::Done)
}

/// Adding an image that is cached, being cached or already queued is not a failure; the output states it.
fn add_one<'a>(cache: &ImageCache, image_id: &'a str) -> image_cache::Result<QueueAddAnswer<'a>> {
    let reason = if cache.queue_image(image_id)? {
        None
    } else if cache.is_cached(image_id)? {
        Some("already-cached")
    } else if cache.is_queued(image_id)? {
        Some("already-queued")
    } else {
        Some("being-cached")
    };
    Ok(QueueAddAnswer { image_id, queued: matches!(reason, None | Some("already-queued")), reason })
}

fn list(context: &CommandContext) -> anyhow::Result<Code> {
    let ids = context.open()?.queued_images()?;
    let queued: Vec<QueuedImage<'_>> =
        ids.iter().map(|id| QueuedImage { image_id: id.as_str() }).collect();
    context.format.print(&queued, |queued| {
        columns(["ID"], queued.iter().map(|queued| [queued.image_id.to_owned()]))
    })?;
    Ok(Code::Done)
}

fn row(queued: &QueueAddAnswer<'_>) -> [String; 2] {
    [queued.image_id.to_owned(), queued.reason.unwrap_or("queued").to_owned()]
}
