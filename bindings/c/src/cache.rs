//! Opening and closing a cache.

use crate::boundary::status;
use crate::expected::expected;
use crate::failure::{Failure, Result};
use crate::handle::{Handle, Place, Poison, close, with};
use crate::handle_table::Kind;
use crate::running_source::{self, FetchedImage};
use crate::text::{optional_path, optional_text, text};
use image_cache::{
    Config, ConfigLayers, ConfigOption, Error, Expected, ImageCache, ImageId, RequestKind,
    Requester, Tenant,
};
use std::ffi::{c_char, c_int};
use std::path::Path;

/// An open cache. Any number of threads may use a handle at the same time.
pub struct Cache {
    cache: ImageCache,
    poison: Poison,
}

impl Handle for Cache {
    const KIND: Kind = Kind::Cache;

    fn poison(&self) -> &Poison {
        &self.poison
    }
}

/// Runs an operation with the cache of a handle.
pub(crate) fn with_cache<T>(
    cache: *const Cache,
    run: impl FnOnce(&ImageCache) -> Result<T>,
) -> Result<T> {
    with(cache, |cache: &Cache| run(&cache.cache))
}

/// Runs an operation with the cache of a handle and an image id.
///
/// # Safety
/// As for [`text`], for the id.
pub(crate) unsafe fn with_image<T>(
    cache: *const Cache,
    id: *const c_char,
    run: impl FnOnce(&ImageCache, &str) -> Result<T>,
) -> Result<T> {
    // SAFETY: as the caller states.
    with_cache(cache, |cache| run(cache, unsafe { text(id, "id") }?))
}

/// An image that is about to be fetched or written, with its expected size and digests.
pub(crate) struct NewImage<'a> {
    pub image: FetchedImage,
    pub expected: Expected,
    pub cache: &'a ImageCache,
}

/// Runs an operation that fetches or writes an image. It must not be called for the image whose source calls it.
///
/// # Safety
/// As for [`with_image`] and [`expected`].
pub(crate) unsafe fn with_new_image<T>(
    cache: *const Cache,
    id: *const c_char,
    (size, digests): (i64, *const c_char),
    run: impl FnOnce(NewImage<'_>) -> Result<T>,
) -> Result<T> {
    let prepare = |cache: &ImageCache, id: &str| {
        let id: ImageId = id.parse().map_err(Error::from)?;
        let directory = cache.config().dir.clone();
        running_source::check(&directory, id.as_str())?;
        // SAFETY: as the caller states.
        let expected = unsafe { expected(size, digests) }?;
        let image = FetchedImage { directory, id: id.as_str().to_owned() };
        run(NewImage { image, expected, cache })
    };
    // SAFETY: as the caller states.
    unsafe { with_image(cache, id, prepare) }
}

fn open(config: Config) -> Result<Cache> {
    Ok(Cache { cache: ImageCache::open(config)?, poison: Poison::default() })
}

/// Opens a cache, and creates its directory if it is missing.
///
/// directory: the path, any bytes; NULL if the options have image_cache_dir.
/// options: TOML, as in the book's page "Configuration": "image_cache_max_size = '50 GiB'". NULL: all options have their defaults.
/// Several handles and several processes may have the same directory open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_open(
    directory: *const c_char,
    options: *const c_char,
    cache: *mut *mut Cache,
) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        let place = Place::new(cache)?;
        let mut layers = ConfigLayers::new();
        if let Some(options) = optional_text(options, "options")? {
            layers = layers.toml(options, Path::new("options"));
        }
        if let Some(directory) = optional_path(directory) {
            layers = layers.flag("the argument directory", ConfigOption::Dir, directory);
        }
        place.give(open(layers.build().map_err(Error::from)?)?)
    })
}

/// Opens a cache with the options of a file: TOML, or an oslo.config file of Glance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_open_file(path: *const c_char, cache: *mut *mut Cache) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        let place = Place::new(cache)?;
        let path = optional_path(path).ok_or_else(|| Failure::argument("path is NULL"))?;
        place.give(open(Config::from_file(Path::new(path)).map_err(Error::from)?)?)
    })
}

/// Replaces the options of an open cache: its limits, the free space that it leaves, the delay of hits, the verification of reads, or
/// the driver. Reads and fetches go on meanwhile. It also applies to the handles of imgcache_for_tenant(), but not to a cache that was
/// opened separately.
///
/// options: all of them, as for imgcache_open(): an option that is not there gets its default. The directory and the path of the
/// database cannot change. If a value is not accepted, or the driver cannot be loaded, nothing changes.
/// A smaller size evicts nothing by itself: call imgcache_prune().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_reconfigure(cache: *mut Cache, options: *const c_char) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        with_cache(cache, |cache| {
            let directory = cache.config().dir.clone();
            let layers = ConfigLayers::new()
                .flag("the open cache", ConfigOption::Dir, directory.as_os_str())
                .toml(text(options, "options")?, Path::new("options"));
            let new = layers.build().map_err(Error::from)?;
            cache.reconfigure(|_| new.to_builder())?;
            Ok(())
        })
    })
}

/// A further handle of the same cache, whose reads and fetches are those of this tenant: 1 to 128 bytes without control
/// characters. A driver can have a policy for tenants. Close both handles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_for_tenant(
    cache: *mut Cache,
    tenant: *const c_char,
    tenant_cache: *mut *mut Cache,
) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        let place = Place::new(tenant_cache)?;
        let cache = with_cache(cache, |cache| {
            let tenant = text(tenant, "tenant")?.parse::<Tenant>();
            let tenant = tenant.map_err(|error| Failure::argument(error.to_string()))?;
            let requester = Requester::of(RequestKind::Client).with_tenant(Some(tenant));
            Ok(cache.on_behalf_of(requester))
        })?;
        place.give(Cache { cache, poison: Poison::default() })
    })
}

/// Closes a handle and sets it to NULL; does nothing if it is NULL, so closing twice is harmless. Calls that run, and readers and
/// writers that are open, keep the cache open. The last handle writes collected hits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_close(cache: *mut *mut Cache) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe { close(cache) })
}
