//! An `ObjectStore` that reads the large objects of another one through the cache.
//!
//! ```sh
//! with-object-store CACHE STORE LOCATION COPY [START END]
//! ```
//!
//! copies an object of the store, or the bytes from START to END. The store is a folder here, and could be S3.

use anyhow::{Result, bail};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};
use image_cache::tokio::{AsyncImageCache, ImageReader};
use image_cache::{Config, Expected};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, Extensions, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result as StoreResult,
};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::sync::Arc;
use std::{env, fmt, io};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

const USAGE: &str = "usage: with-object-store CACHE STORE LOCATION COPY [START END]";

/// Smaller objects are not worth a second copy.
const SMALLEST: u64 = 1 << 20;

/// A store whose large objects are read through the cache, each version of an object as an image of its own.
#[derive(Debug)]
struct CachedStore {
    store: Arc<dyn ObjectStore>,
    cache: AsyncImageCache,
}

impl CachedStore {
    /// The bytes of the version that `meta` describes; the store is asked for them when they are needed.
    fn source(&self, meta: &ObjectMeta) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let (store, location) = (Arc::clone(&self.store), meta.location.clone());
        let version = GetOptions::new().with_version(meta.version.clone());
        let version = version.with_if_match(meta.e_tag.clone());
        let open =
            async move { store.get_opts(&location, version).await.map(GetResult::into_stream) };
        stream::once(open).try_flatten().map_err(io::Error::other)
    }

    /// Opens a range through the cache; `None` if the object cannot be cached.
    async fn open(
        &self,
        meta: &ObjectMeta,
        range: Range<u64>,
    ) -> image_cache::Result<Option<ImageReader>> {
        let Some(id) = id_of(meta).filter(|_| meta.size >= SMALLEST) else { return Ok(None) };
        let (expected, source) = (Expected::nothing().with_size(meta.size), self.source(meta));
        if range == (0..meta.size) {
            return self.cache.get_or_fetch_stream(&id, expected, source).await.map(Some);
        }
        self.cache.get_or_fetch_range(&id, range, expected, source).await
    }
}

/// A name for the bytes of an object: no other version has it. `None` if the store cannot tell versions apart.
fn id_of(meta: &ObjectMeta) -> Option<String> {
    let e_tag = meta.e_tag.as_ref().filter(|e_tag| !e_tag.starts_with("W/"));
    let version = meta.version.as_ref().or(e_tag)?;
    Some(format!("{:x}", Sha256::digest(format!("{version} {}", meta.location))))
}

/// The store's own error if it is the reason.
fn failed(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::Generic { store: "image-cache", source: Box::new(error) },
    }
}

#[async_trait]
impl ObjectStore for CachedStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        if options.head {
            return self.store.get_opts(location, options).await;
        }
        let head = GetOptions { range: None, head: true, ..options.clone() };
        let head = self.store.get_opts(location, head).await?;
        let range = match &options.range {
            None => Ok(0..head.meta.size),
            Some(range) => range.as_range(head.meta.size),
        };
        // The store refuses a wrong range with its own error.
        let Ok(range) = range else { return self.store.get_opts(location, options).await };
        match self.open(&head.meta, range.clone()).await {
            Ok(Some(image)) => Ok(GetResult {
                payload: GetResultPayload::Stream(image.into_stream().map_err(failed).boxed()),
                meta: head.meta,
                range,
                attributes: head.attributes,
                extensions: Extensions::new(),
            }),
            Ok(None) => self.store.get_opts(location, options).await,
            Err(error) => {
                // If the cache fails, the reader still gets the object.
                eprintln!("{location}: {error}");
                self.store.get_opts(location, options).await
            }
        }
    }

    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.store.copy_opts(from, to, options).await
    }
}

impl fmt::Display for CachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cached {}", self.store)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [directory, store, location, copy, range @ ..] = &arguments[..] else { bail!(USAGE) };
    let range: Option<Range<u64>> = match range {
        [] => None,
        [start, end] => Some(start.parse()?..end.parse()?),
        _ => bail!(USAGE),
    };
    let config = Config::builder(directory).max_size(50 << 30).build()?;
    let cache = AsyncImageCache::open(config).await?;
    let store = Arc::new(LocalFileSystem::new_with_prefix(store)?);
    let store = CachedStore { store, cache: cache.clone() };
    let options = GetOptions::new().with_range(range);
    let mut chunks = store.get_opts(&Path::parse(location)?, options).await?.into_stream();
    let mut copy = File::create(copy).await?;
    while let Some(chunk) = chunks.try_next().await? {
        copy.write_all(&chunk).await?;
    }
    copy.flush().await?;
    let counters = cache.counters();
    println!("{} misses, {} hits", counters.misses, counters.hits);
    drop(store);
    Ok(cache.close().await?)
}
