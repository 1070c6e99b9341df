//! `image-cache serve`: the cache as an HTTP service in front of a server of images.
//!
//! A module of the binary that uses nothing but the library's public API: how a service sits on it.

mod admin;
mod along;
mod answer;
mod body;
mod consent;
mod fetch;
mod glance;
mod hit;
mod label;
mod labels;
mod listen;
mod maintenance;
mod metrics;
mod openings;
mod options;
mod plain;
mod plain_id;
mod prefetch;
mod range;
mod service;
mod signals;
mod tls;
mod upstream;

pub use options::{Options, PrefetchOptions};

use anyhow::Context;
use image_cache::Config;
use image_cache::tokio::AsyncImageCache;
use service::Service;
use std::sync::Arc;

/// Serves until a signal ends it.
pub fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, options))
}

/// Fetches what is queued, once.
pub fn prefetch(config: Config, options: PrefetchOptions) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(prefetch::once(config, options))
}

async fn serve(config: Config, options: Options) -> anyhow::Result<()> {
    let cache = AsyncImageCache::open(config).await?;
    let service = Arc::new(Service::new(cache, options).await?);
    let clients = listen::bind(&service.options.listen).await?;
    let admin = match &service.options.admin_listen {
        Some(address) => Some(listen::bind(address).await?),
        None => None,
    };
    let acceptor = tls::acceptor(&service.options)?;
    listen::say("listening on", &clients)?;
    if let Some(admin) = &admin {
        listen::say("admin listening on", admin)?;
    }
    let stop = signals::Stop::on_signals(&service).context("cannot listen to signals")?;
    let maintenance = tokio::spawn(maintenance::run(Arc::clone(&service), stop.clone()));
    let prefetcher = tokio::spawn(prefetch::run(Arc::clone(&service), stop.clone()));
    let admin =
        admin.map(|admin| tokio::spawn(admin::serve(Arc::clone(&service), admin, stop.clone())));
    listen::serve(Arc::clone(&service), clients, acceptor, stop).await;
    for task in [Some(maintenance), Some(prefetcher), admin].into_iter().flatten() {
        task.await.context("a part of the service panicked")?;
    }
    service.cache.run(|cache| cache.flush()).await?;
    Ok(())
}
