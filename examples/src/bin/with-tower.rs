//! A layer of tower that answers GETs of images from the cache, and reads the others through it from the inner service.
//!
//! ```sh
//! with-tower CACHE IMAGES
//! ```
//!
//! serves the files of the folder IMAGES at `/images/NAME`, and prints its address. Images never change and are for everybody: the
//! layer heeds neither `Cache-Control` nor who asks. `image-cache serve` is a service that does.

use anyhow::{Result, bail};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, HeaderValue, RANGE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use image_cache::tokio::{AsyncImageCache, ImageReader};
use image_cache::{Config, Expected, ImageId};
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::{env, io, mem};
use tokio::fs::File;
use tokio::net::TcpListener;
use tokio_util::io::ReaderStream;
use tower::{Layer, Service};

/// Puts the cache before a service.
#[derive(Clone)]
struct CacheLayer {
    cache: AsyncImageCache,
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService { cache: self.cache.clone(), inner }
    }
}

#[derive(Clone)]
struct CacheService<S> {
    cache: AsyncImageCache,
    inner: S,
}

impl<S> Service<Request> for CacheService<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // Only this instance of the inner service is known to be ready.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        Box::pin(serve(self.cache.clone(), ready, request))
    }
}

async fn serve<S>(
    cache: AsyncImageCache,
    mut inner: S,
    request: Request,
) -> Result<Response, S::Error>
where
    S: Service<Request, Response = Response>,
{
    let Some(id) = image_id(&request) else { return inner.call(request).await };
    match cache.follow(id.as_str()).await {
        Ok(Some(image)) => return Ok(respond(image, HeaderMap::new())),
        Ok(None) => {}
        // If the cache fails, clients still get the image.
        Err(error) => eprintln!("{error}"),
    }
    let (head, body) = inner.call(request).await?.into_parts();
    if head.status != StatusCode::OK {
        return Ok(Response::from_parts(head, body));
    }
    let expected = size(&head.headers).map(|size| Expected::nothing().with_size(size));
    let chunks = body.into_data_stream().map_err(io::Error::other);
    // If another client's fetch has begun meanwhile, these chunks are not read.
    let image = cache.get_or_fetch_stream(id.as_str(), expected.unwrap_or_default(), chunks);
    Ok(match image.await {
        Ok(image) => respond(image, head.headers),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    })
}

/// The image that a request is for, if the cache may answer it.
fn image_id(request: &Request) -> Option<ImageId> {
    let has = |name| request.headers().contains_key(name);
    let is_plain = request.uri().query().is_none() && !has(RANGE);
    let is_for_everybody = !has(AUTHORIZATION) && !has(COOKIE);
    let id = request.uri().path().strip_prefix("/images/")?;
    let is_served = request.method() == Method::GET && is_plain && is_for_everybody;
    id.parse().ok().filter(|_| is_served)
}

fn size(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A response with the image. If the image is found to be damaged, or its source fails, the connection ends before the last byte.
fn respond(image: ImageReader, mut headers: HeaderMap) -> Response {
    headers.insert("x-cache", HeaderValue::from_static(image.route().name()));
    if let Some(size) = image.image_size() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
    }
    (headers, Body::from_stream(image.into_stream())).into_response()
}

/// The slow store: any service.
async fn send(State(images): State<PathBuf>, Path(name): Path<String>) -> Response {
    let not_found = |error: String| (StatusCode::NOT_FOUND, error).into_response();
    // An id is one component of a path: it does not lead out of the folder.
    let name: ImageId = match name.parse() {
        Ok(name) => name,
        Err(error) => return not_found(format!("{error}")),
    };
    let file = match File::open(images.join(name.as_str())).await {
        Ok(file) => file,
        Err(error) => return not_found(error.to_string()),
    };
    match file.metadata().await {
        Ok(metadata) => {
            let headers = [(CONTENT_LENGTH, HeaderValue::from(metadata.len()))];
            (headers, Body::from_stream(ReaderStream::new(file))).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [directory, images] = &arguments[..] else { bail!("usage: with-tower CACHE IMAGES") };
    let config = Config::builder(directory).max_size(50 << 30).build()?;
    let cache = AsyncImageCache::open(config).await?;
    let service = Router::new().route("/images/{name}", get(send)).with_state(images.clone());
    let service = service.layer(CacheLayer { cache });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, service).await?)
}
