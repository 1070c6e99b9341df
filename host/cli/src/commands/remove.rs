//! Removes some or all images, from the cache or from the queue.

use crate::command_context::CommandContext;
use crate::confirm::confirmed;
use crate::exit::{Code, print_message};
use crate::output::count;
use crate::progress;
use clap::{ArgGroup, Args};
use image_cache::{ImageCache, ImageId};
use serde::Serialize;

#[derive(Debug, Args)]
#[command(group(ids_or_all()))]
pub struct RemoveArgs {
    /// The images
    #[arg(value_name = "ID")]
    ids: Vec<ImageId>,
    /// All of them; asks first
    #[arg(long)]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Images by their ids, or all of them: exactly one of the two.
pub fn ids_or_all() -> ArgGroup {
    ArgGroup::new("which").required(true).args(["ids", "all"])
}

/// The output: how many images were removed, and which were missing.
#[derive(Serialize)]
struct RemoveAnswer<'a> {
    images: u64,
    missing: Vec<&'a str>,
}

/// How images are removed, from the cache or from the queue.
pub struct RemoveOperation {
    /// The question before all are removed.
    pub question: &'static str,
    /// The error for an image that is missing.
    pub missing: &'static str,
    /// Removes one image; returns whether it existed.
    pub one: fn(&ImageCache, &str) -> image_cache::Result<bool>,
    /// Removes all images; returns their number.
    pub all: fn(&ImageCache) -> image_cache::Result<u64>,
}

impl RemoveOperation {
    /// Removes the images that the arguments name, and prints the output.
    pub fn run(&self, context: &CommandContext, args: &RemoveArgs) -> anyhow::Result<Code> {
        if args.all && !confirmed(self.question, args.yes)? {
            print_message("note", "nothing was removed");
            return Ok(Code::Failed);
        }
        let cache = context.open()?;
        let (removed, code) = if args.all {
            let bar = progress::waiting("removing");
            let images = (self.all)(&cache)?;
            bar.finish_and_clear();
            (RemoveAnswer { images, missing: Vec::new() }, Code::Done)
        } else {
            self.some(&cache, &args.ids)
        };
        context.format.print(&removed, |removed| match removed.images {
            0 if !args.all => String::new(),
            images => format!("removed {}", count(images, "image")),
        })?;
        Ok(code)
    }

    /// Removes the named images; an error for one does not stop the others.
    fn some<'a>(&self, cache: &ImageCache, ids: &'a [ImageId]) -> (RemoveAnswer<'a>, Code) {
        let mut removed = RemoveAnswer { images: 0, missing: Vec::new() };
        let mut failed = false;
        for id in ids {
            match (self.one)(cache, id.as_str()) {
                Ok(true) => removed.images += 1,
                Ok(false) => {
                    print_message("error", &format!("image {id}: {}", self.missing));
                    removed.missing.push(id.as_str());
                }
                Err(error) => {
                    print_message("error", &error.to_string());
                    failed = true;
                }
            }
        }
        let code = match (failed, removed.missing.is_empty()) {
            (true, _) => Code::Failed,
            (false, false) => Code::NoSuchImage,
            (false, true) => Code::Done,
        };
        (removed, code)
    }
}
