//! `image-cache serve`: the cache as an HTTP service in front of a server of images.
//!
//! A module of the binary that uses nothing but the library's public API: how a service sits on it.

mod admin;
mod along;
mod answer;
mod body;
mod cache_control;
mod cache_status;
mod collapsing;
mod consent;
mod content_md5;
mod dot_segments;
mod fetch;
mod glance;
mod hit;
mod label;
mod labels;
mod limits;
mod listen;
mod maintenance;
mod metrics;
mod options;
mod plain;
mod plain_id;
mod prefetch;
mod range;
mod references;
mod request_fields;
mod requests;
mod secret;
mod sending;
mod service;
mod signals;
mod stored_fields;
mod tls;
mod upstream;
mod via;

pub use options::{Options, PrefetchOptions};
pub use prefetch::Ended;

use anyhow::Context;
use image_cache::Config;
use image_cache::tokio::AsyncImageCache;
use listen::Listener;
use requests::observed;
use service::Service;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Fetches that nobody waits for any more have so long to leave the cache in order.
const SETTLING: Duration = Duration::from_secs(10);

/// Serves until a signal ends it.
pub fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, options))
}

/// Fetches what is queued, once; answers what became of each image.
pub fn prefetch(config: Config, options: PrefetchOptions) -> anyhow::Result<Vec<Ended>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let cache = AsyncImageCache::open(config).await?;
        let service = Arc::new(Service::new(cache, Options::for_prefetch(options)?).await?);
        let ended = prefetch::once(&service).await?;
        service.cache.run(|cache| cache.flush()).await?;
        Ok(ended)
    })
}

async fn serve(config: Config, options: Options) -> anyhow::Result<()> {
    let cache = AsyncImageCache::open(config).await?;
    let service = Arc::new(Service::new(cache, options).await?);
    let clients = listener(&service, &service.options.listen).await?;
    let admin = match service.options.admin.address() {
        Some(address) => Some(listener(&service, address).await?),
        None => None,
    };
    if let Some(admin) = &admin {
        admin::check(admin.socket.local_addr()?, &service.guard)?;
    }
    listen::say("listening on", &clients.socket)?;
    if let Some(admin) = &admin {
        listen::say("admin listening on", &admin.socket)?;
    }
    let stop = signals::Stop::on_signals(&service).context("cannot listen to signals")?;
    let alive = tokio::spawn(signals::say_ready(stop.clone()));
    let mut tasks = vec![
        tokio::spawn(maintenance::run(Arc::clone(&service), stop.clone())),
        tokio::spawn(prefetch::run(Arc::clone(&service), stop.clone())),
    ];
    if let Some(admin) = admin {
        tasks.push(tokio::spawn(admin::serve(Arc::clone(&service), admin, stop.clone())));
    }
    serve_clients(&service, clients, stop).await;
    let finished = finish(&service, tasks).await;
    alive.abort();
    finished
}

async fn listener(service: &Service, address: &str) -> anyhow::Result<Listener> {
    let acceptor = service.identity.as_ref().map(|identity| identity.acceptor()).transpose()?;
    let limits = service.options.limits.clone();
    Ok(Listener { socket: listen::bind(address).await?, acceptor, limits })
}

async fn serve_clients(service: &Arc<Service>, clients: Listener, stop: signals::Stop) {
    let service = Arc::clone(service);
    let answer = move |request| {
        let service = Arc::clone(&service);
        async move {
            let metrics = Arc::clone(&service.metrics);
            observed(&metrics, "clients", request, |request| async move {
                service.answer(request).await
            })
            .await
        }
    };
    clients.serve(answer, stop).await;
}

/// Nobody is served any more: what is under way ends, and hits are written.
async fn finish(service: &Service, tasks: Vec<JoinHandle<()>>) -> anyhow::Result<()> {
    for mut task in tasks {
        match tokio::time::timeout(SETTLING, &mut task).await {
            Ok(ended) => ended.context("a part of the service panicked")?,
            Err(_) => task.abort(),
        }
    }
    let settled = async {
        while service.cache.counters().fills_running > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(SETTLING, settled).await.is_err() {
        tracing::warn!("a fetch that nobody waits for is broken off");
    }
    service.cache.run(|cache| cache.flush()).await?;
    Ok(())
}
