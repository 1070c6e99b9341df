//! `image-cache serve`: the cache as an HTTP service in front of a server of images.
//!
//! This package uses only the library's public API.

mod access_log;
mod active_request;
mod admin;
mod admin_token;
mod auth_cache;
mod body;
mod cache_control;
mod cache_lookup;
mod cache_status;
mod client_socket;
mod connections;
mod content_md5;
mod descriptors;
mod download;
mod eviction;
mod fetch;
mod glance;
mod idle_timer;
mod lingering_close;
mod listen;
mod log_limit;
mod maintenance;
mod metrics;
mod options;
mod os_hash;
mod plain;
mod plain_id;
mod prefetch;
mod proxy;
mod range;
mod request_checks;
mod request_fields;
mod request_trace;
mod requester;
mod response;
mod response_store;
mod routing;
mod secret;
mod serve_hit;
mod serve_inflight;
mod service;
mod session;
mod signals;
mod stored_fields;
mod stored_response;
mod timeout_body;
mod timeout_stream;
mod timeouts;
mod tls;
mod upstream;
mod upstream_request;
mod via;

#[cfg(test)]
#[path = "../../../fuzz/src/targets/mod.rs"]
mod fuzz_targets;

pub use download::download;
pub use options::{OptionError, Options, PrefetchOptions};
pub use prefetch::PrefetchedImage;

use anyhow::Context;
use connections::Connections;
use descriptors::Descriptors;
use futures_util::FutureExt;
use image_cache::Config;
use image_cache::tokio::AsyncImageCache;
use listen::Listener;
use log_limit::LogLimit;
use metrics::Listeners;
use service::Service;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Serves until a signal stops the service.
pub fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(config, options));
    // A disk that does not respond must not keep the process alive.
    runtime.shutdown_timeout(timeouts::SHUTDOWN_STEP);
    served
}

/// Fetches the queued images once; returns the result of each image.
pub fn prefetch(config: Config, options: PrefetchOptions) -> anyhow::Result<Vec<PrefetchedImage>> {
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
    let on_range = if options.fetch_on_range { options.fetch_on_range_at_once } else { 0 };
    let without_client = options.prefetch.prefetch_at_once + on_range;
    let descriptors = Arc::new(Descriptors::raise(u64::from(without_client)));
    let cache = AsyncImageCache::open(config).await?;
    let service = Arc::new(Service::new(cache, options).await?);
    let (clients, admin) = bind(&service).await?;
    let reloaded = Arc::clone(&service);
    let reload = move || {
        let service = Arc::clone(&reloaded);
        async move { service.reload().await }
    };
    let stop = signals::Stop::on_signals(reload).context("cannot listen to signals")?;
    let alive = tokio::spawn(signals::notify_ready(stop.clone()));
    let mut tasks = vec![
        tokio::spawn(maintenance::run(Arc::clone(&service), stop.clone())),
        tokio::spawn(prefetch::run(Arc::clone(&service), stop.clone())),
    ];
    let listeners = listeners(&service, descriptors);
    let acceptor = service.certificate.as_ref().map(|it| it.acceptor()).transpose()?;
    let listener = |name, socket, connections| Listener {
        service: Arc::clone(&service),
        name,
        socket,
        acceptor: acceptor.clone(),
        connections: Arc::clone(connections),
        descriptors: Arc::clone(&listeners.descriptors),
        log: Arc::new(LogLimit::default()),
    };
    if let Some(admin) = admin {
        let listener = listener("admin", admin, &listeners.admin);
        tasks.push(tokio::spawn(admin::serve(listener, stop.clone())));
    }
    let answering = Arc::clone(&service);
    let answer = move |request| routing::respond(Arc::clone(&answering), request).boxed();
    listener(access_log::CLIENTS, clients, &listeners.clients).serve(Arc::new(answer), stop).await;
    let finished = finish(&service, tasks).await;
    alive.abort();
    finished
}

/// The maximum numbers of connections, besides the descriptors that stay open.
fn listeners(service: &Service, descriptors: Arc<Descriptors>) -> &Listeners {
    let shares = descriptors.shares(service.options.limits.max_connections);
    service.metrics.listeners.get_or_init(|| Listeners {
        clients: Connections::new(shares.clients),
        admin: Connections::new(shares.admin),
        descriptors,
    })
}

/// Binds the listener for clients, and the admin listener if there is one.
async fn bind(service: &Service) -> anyhow::Result<(TcpListener, Option<TcpListener>)> {
    let clients = listen::bind(&service.options.listen).await?;
    let admin = match service.options.admin.address() {
        Some(address) => Some(listen::bind(address).await?),
        None => None,
    };
    if let Some(admin) = &admin {
        OptionError::checked(admin::check(admin.local_addr()?, &service.admin_token))?;
    }
    listen::print_address("listening on", &clients)?;
    if let Some(admin) = &admin {
        listen::print_address("admin listening on", admin)?;
    }
    Ok((clients, admin))
}

/// Finishes the operations in progress after the listeners have stopped, and writes hits.
async fn finish(service: &Service, tasks: Vec<JoinHandle<()>>) -> anyhow::Result<()> {
    for mut task in tasks {
        match timeout(timeouts::SHUTDOWN_STEP, &mut task).await {
            Ok(ended) => ended.context("a part of the service panicked")?,
            Err(_) => task.abort(),
        }
    }
    let fetches_ended = async {
        while service.cache.counters().fills_running > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(timeouts::SHUTDOWN_STEP, fetches_ended).await.is_err() {
        tracing::warn!("a fetch without readers is cancelled");
    }
    match timeout(timeouts::SHUTDOWN_STEP, service.cache.run(|cache| cache.flush())).await {
        Ok(flushed) => Ok(flushed?),
        Err(_) => {
            tracing::warn!("recorded hits could not be written in time and are lost");
            Ok(())
        }
    }
}
