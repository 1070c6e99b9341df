//! `serve` and `prefetch`: from the command line into the service.

use super::Session;
use super::exit::Code;
use crate::serve::{self, Options, PrefetchOptions};

pub fn serve(session: &Session, options: &Options) -> anyhow::Result<Code> {
    serve::run(session.config.clone(), options.clone())?;
    Ok(Code::Done)
}

pub fn prefetch(session: &Session, options: &PrefetchOptions) -> anyhow::Result<Code> {
    serve::prefetch(session.config.clone(), options.clone())?;
    Ok(Code::Done)
}
