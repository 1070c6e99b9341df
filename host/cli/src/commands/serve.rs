//! `serve` and `prefetch`: run the service.

use crate::command_context::CommandContext;
use crate::exit::{Code, print_message};
use crate::output::columns;
use crate::panics;
use image_cache::{ConfigLayers, ConfigOption};
use image_cache_serve::{Options, PrefetchOptions, PrefetchedImage};
use serde::Serialize;

/// The defaults that differ in the service: it need not record a hit before it serves the next one.
pub fn defaults() -> ConfigLayers {
    ConfigLayers::new().flag("the default of serve", ConfigOption::HitDelay, "1s".as_ref())
}

/// An element of the output of `prefetch`.
#[derive(Serialize)]
struct PrefetchAnswer<'a> {
    image_id: &'a str,
    cached: bool,
    reason: Option<&'a str>,
}

pub fn serve(context: &CommandContext, options: &Options) -> anyhow::Result<Code> {
    panics::log_panics();
    image_cache_serve::run(context.config.clone(), options.clone())?;
    Ok(Code::Done)
}

pub fn prefetch(context: &CommandContext, options: &PrefetchOptions) -> anyhow::Result<Code> {
    panics::log_panics();
    let ended = image_cache_serve::prefetch(context.config.clone(), options.clone())?;
    let answer: Vec<PrefetchAnswer<'_>> = ended.iter().map(fetched).collect();
    context.format.print(&answer, |answer| match answer.as_slice() {
        [] => "nothing is queued".to_owned(),
        answer => columns(["IMAGE", "RESULT"], answer.iter().map(row)),
    })?;
    for failed in answer.iter().filter(|image| !image.cached) {
        print_message(
            "error",
            &format!("image {} is not cached: {}", failed.image_id, reason(failed)),
        );
    }
    let all_cached = answer.iter().all(|image| image.cached);
    Ok(if all_cached { Code::Done } else { Code::Failed })
}

fn fetched(ended: &PrefetchedImage) -> PrefetchAnswer<'_> {
    let reason = ended.failed.as_deref();
    PrefetchAnswer { image_id: ended.image.as_str(), cached: reason.is_none(), reason }
}

fn row(image: &PrefetchAnswer<'_>) -> [String; 2] {
    let result =
        if image.cached { "cached".to_owned() } else { format!("failed: {}", reason(image)) };
    [image.image_id.to_owned(), result]
}

fn reason<'a>(image: &PrefetchAnswer<'a>) -> &'a str {
    image.reason.unwrap_or_default()
}
