//! The names that the cache uses in its directory, and the paths of its own files: the only list of them.
//!
//! They are in this package because an image must not have one of them. Paths in the cache directory are made only by the store.

/// Images that are being fetched.
pub const INCOMPLETE: &str = "incomplete";

/// Leftovers of failed fetches, and damaged images.
pub const INVALID: &str = "invalid";

/// Images to fetch.
pub const QUEUE: &str = "queue";

/// The files that Glance's layout does not have.
pub const OWN: &str = ".image-cache";

/// Digests of the images' blocks.
pub const BLOCKS: &str = ".image-cache/blocks";

/// Databases of drivers that are not built in.
pub const DRIVERS: &str = ".image-cache/drivers";

/// The file of the locks of images.
pub const IMAGE_LOCKS: &str = ".image-cache/images";

/// The file of the directory's lock.
pub const LOCK: &str = ".image-cache/lock";

/// The file whose lock shows that the cache is open.
pub const USERS: &str = ".image-cache/users";

/// The file of the lock of extended attributes.
pub const ATTRIBUTES_LOCK: &str = ".image-cache/attributes.lock";

/// The file of the lock under which databases are created.
pub const DATABASE_LOCK: &str = ".image-cache/database.lock";

/// The file with the time of the newest entry of the queue.
pub const QUEUE_CLOCK: &str = ".image-cache/queue-clock";

/// What processes note for one another.
pub const STATE: &str = ".image-cache/state";

/// What the processes that have the cache open run.
pub const RUNNING: &str = ".image-cache/running";

/// The pins of images.
pub const PINS: &str = ".image-cache/pins";

/// The service's stored responses.
pub const RESPONSES: &str = ".image-cache/http";

/// Glance's database, which is also the one of the sqlite driver unless another one is configured.
pub const DATABASE: &str = "cache.db";

/// Reserved names in the base directory: the last two belong to Glance, the others to the cache.
pub(crate) const RESERVED: [&str; 6] =
    [INCOMPLETE, INVALID, QUEUE, DATABASE, "image_cache_db_init", "checkme"];

/// The name of one of the cache's own files in [`OWN`].
///
/// ```
/// use image_cache_model::names;
/// assert_eq!(names::in_own(names::LOCK), "lock");
/// ```
pub fn in_own(path: &str) -> &str {
    path.strip_prefix(OWN).and_then(|name| name.strip_prefix('/')).unwrap_or(path)
}
