//! Looks up an image in the cache, with its stored response.

use super::options::Profile;
use super::proxy::ImageGet;
use super::range::{Asked, Part};
use super::response_store::ResponseStore;
use super::service::log_bypass;
use super::stored_response::StoredResponse;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderMap, RANGE};
use image_cache::{CachedReader, Error, ImageCache};
use std::io::{self, Read};
use std::sync::Arc;

/// Images and parts of at most this size are read when they are opened.
const SMALL: usize = 1 << 20;

/// The result of a lookup.
pub enum LookupResult {
    /// The cache has nothing that can be served.
    NotFound,
    /// The cache has an image that must not be served without revalidation.
    Unusable(Arc<StoredResponse>),
    /// The cache has the requested image.
    Hit(CacheHit),
}

/// A cached image, or the requested part of it.
pub struct CacheHit {
    pub stored: Arc<StoredResponse>,
    /// Bytes in the whole image.
    pub size: u64,
    pub part: Part,
    pub content: HitContent,
}

/// The bytes of a hit.
pub enum HitContent {
    Small(Bytes),
    Large(Box<CachedReader>),
}

/// A lookup of an image, or of a part of it.
pub struct CacheLookup {
    responses: Arc<ResponseStore>,
    id: String,
    headers: HeaderMap,
    is_head: bool,
    /// Whether an image without a stored response may be served with the checksum of its record.
    trusts_records: bool,
}

impl CacheLookup {
    /// With `is_head`, the lookup does not read the image's bytes.
    pub fn new(get: &ImageGet, is_head: bool) -> CacheLookup {
        let ImageGet { service, head, request, .. } = get;
        let mut headers = head.headers.clone();
        if is_head {
            // Only a GET can request a part.
            headers.remove(RANGE);
        }
        CacheLookup {
            responses: Arc::clone(&service.responses),
            id: request.id.clone(),
            headers,
            is_head,
            trusts_records: service.options.origin.profile == Profile::Glance,
        }
    }

    /// Opens the image, and reads it if it is small. Blocks.
    pub fn run(
        &self,
        cache: &ImageCache,
        is_usable: impl FnOnce(&StoredResponse) -> bool,
    ) -> Result<LookupResult, Error> {
        if self.responses.is_discarded(&self.id) {
            return Ok(LookupResult::NotFound);
        }
        let Some(reader) = cache.open_for_read(&self.id)? else {
            return Ok(LookupResult::NotFound);
        };
        let size = reader.image_size();
        let Some(stored) = self.response(&reader, size) else {
            return Ok(LookupResult::NotFound);
        };
        if !is_usable(&stored) {
            return Ok(LookupResult::Unusable(stored));
        }
        let part = Asked::of(&self.headers, Some(&stored)).part(size);
        let reader = match &part {
            _ if self.is_head => None,
            Part::Unsatisfiable => None,
            Part::All => Some(reader),
            Part::Some(range) => match cache.open_range(&self.id, range.clone())? {
                Some(part) if part.image_size() == size => Some(part),
                // Another image has replaced it in the meantime.
                _ => return Ok(LookupResult::NotFound),
            },
        };
        match reader.map_or(Ok(HitContent::Small(Bytes::new())), read_small) {
            Ok(content) => Ok(LookupResult::Hit(CacheHit { stored, size, part, content })),
            Err(error) => {
                tracing::warn!(image = %self.id, %error, "the cache cannot serve the image");
                Ok(LookupResult::NotFound)
            }
        }
    }

    fn response(&self, reader: &CachedReader, size: u64) -> Option<Arc<StoredResponse>> {
        let modified = reader.modified().ok()?.into();
        // If the stored response is temporarily unreadable, the record must not replace it, because it has less information.
        let known = self.responses.lookup(&self.id, size, modified).ok()?;
        known.or_else(|| {
            let md5 = self.trusts_records.then(|| self.responses.recorded_checksum(&self.id))?;
            let mut stored = StoredResponse::new("", &HeaderMap::new(), Some(size), md5);
            stored.modified = Some(modified);
            stored.add_glance_fields();
            Some(self.responses.store(&self.id, stored))
        })
    }
}

/// Looks up the image of a request. An image that cannot be read is logged, and counts as not found.
pub async fn look_up(
    get: &ImageGet,
    is_usable: impl FnOnce(&StoredResponse) -> bool + Send + 'static,
) -> LookupResult {
    let lookup = CacheLookup::new(get, get.head.method == Method::HEAD);
    let found = get.cache().run(move |cache| lookup.run(cache, is_usable)).await;
    found.unwrap_or_else(|error| {
        log_bypass(&get.request.id, &error);
        LookupResult::NotFound
    })
}

/// Reads a small image or part; a larger one is read while it is sent.
fn read_small(mut reader: CachedReader) -> io::Result<HitContent> {
    match usize::try_from(reader.size()) {
        Ok(size) if size <= SMALL => {
            let mut bytes = Vec::with_capacity(size);
            reader.read_to_end(&mut bytes)?;
            Ok(HitContent::Small(bytes.into()))
        }
        _ => Ok(HitContent::Large(Box::new(reader))),
    }
}
