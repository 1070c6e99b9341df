//! `serve` and `prefetch`: from the command line into the service.

use super::Session;
use super::exit::{Code, note};
use super::output::columns;
use super::panics;
use image_cache::{ConfigLayers, ConfigOption};
use image_cache_serve::{Options, PrefetchOptions, PrefetchedImage};
use serde::Serialize;

/// The options that have other defaults in the service: a hit need not be written before the next one is served.
pub fn defaults() -> ConfigLayers {
    ConfigLayers::new().flag("the default of serve", ConfigOption::HitDelay, "1s".as_ref())
}

/// The answer of `prefetch`, for each image.
#[derive(Serialize)]
struct Fetched<'a> {
    image_id: &'a str,
    cached: bool,
    reason: Option<&'a str>,
}

pub fn serve(session: &Session, options: &Options) -> anyhow::Result<Code> {
    panics::log_them();
    image_cache_serve::run(session.config.clone(), options.clone())?;
    Ok(Code::Done)
}

pub fn prefetch(session: &Session, options: &PrefetchOptions) -> anyhow::Result<Code> {
    panics::log_them();
    let ended = image_cache_serve::prefetch(session.config.clone(), options.clone())?;
    let answer: Vec<Fetched<'_>> = ended.iter().map(fetched).collect();
    session.format.print(&answer, |answer| match answer.as_slice() {
        [] => "nothing is queued".to_owned(),
        answer => columns(["IMAGE", "RESULT"], answer.iter().map(row)),
    })?;
    for failed in answer.iter().filter(|image| !image.cached) {
        note("error", &format!("image {} is not cached: {}", failed.image_id, reason(failed)));
    }
    let all_cached = answer.iter().all(|image| image.cached);
    Ok(if all_cached { Code::Done } else { Code::Failed })
}

fn fetched(ended: &PrefetchedImage) -> Fetched<'_> {
    let reason = ended.failed.as_deref();
    Fetched { image_id: ended.image.as_str(), cached: reason.is_none(), reason }
}

fn row(image: &Fetched<'_>) -> [String; 2] {
    let result =
        if image.cached { "cached".to_owned() } else { format!("failed: {}", reason(image)) };
    [image.image_id.to_owned(), result]
}

fn reason<'a>(image: &Fetched<'a>) -> &'a str {
    image.reason.unwrap_or_default()
}
