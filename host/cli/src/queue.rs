//! `queue`: images that are wanted.

use super::Session;
use super::args::Queue;
use super::exit::Code;
use super::images::Removal;
use super::output::columns;
use image_cache::{ImageCache, ImageId};
use serde::Serialize;

/// What became of an image that was to be queued.
#[derive(Serialize)]
struct Queued<'a> {
    image_id: &'a str,
    queued: bool,
    reason: Option<&'static str>,
}

/// One that waits.
#[derive(Serialize)]
struct Waiting<'a> {
    image_id: &'a str,
}

pub fn queue(session: &Session, command: &Queue) -> anyhow::Result<Code> {
    match command {
        Queue::Add { ids } => add(session, ids),
        Queue::List => list(session),
        Queue::Remove(which) => {
            let removal = Removal {
                question: "Remove all images from the queue?",
                missing: "it is not queued",
                one: ImageCache::delete_queued_image,
                all: ImageCache::delete_all_queued_images,
            };
            removal.run(session, which)
        }
    }
}

fn add(session: &Session, ids: &[ImageId]) -> anyhow::Result<Code> {
    let cache = session.open()?;
    let queued: Result<Vec<Queued<'_>>, _> =
        ids.iter().map(|id| add_one(&cache, id.as_str())).collect();
    session.format.print(&queued?, |queued| columns(["ID", "STATE"], queued.iter().map(row)))?;
    Ok(Code::Done)
}

/// What is cached, being cached or queued already has what it wants: no failure, but said.
fn add_one<'a>(cache: &ImageCache, image_id: &'a str) -> image_cache::Result<Queued<'a>> {
    let reason = if cache.queue_image(image_id)? {
        None
    } else if cache.is_cached(image_id)? {
        Some("already-cached")
    } else if cache.is_queued(image_id)? {
        Some("already-queued")
    } else {
        Some("being-cached")
    };
    Ok(Queued { image_id, queued: matches!(reason, None | Some("already-queued")), reason })
}

fn list(session: &Session) -> anyhow::Result<Code> {
    let ids = session.open()?.queued_images()?;
    let waiting: Vec<Waiting<'_>> =
        ids.iter().map(|id| Waiting { image_id: id.as_str() }).collect();
    session.format.print(&waiting, |waiting| {
        columns(["ID"], waiting.iter().map(|waiting| [waiting.image_id.to_owned()]))
    })?;
    Ok(Code::Done)
}

fn row(queued: &Queued<'_>) -> [String; 2] {
    [queued.image_id.to_owned(), queued.reason.unwrap_or("queued").to_owned()]
}
