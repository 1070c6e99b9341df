//! The names that the cache uses in its directory, and the paths of its own files. No other package contains them.

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
