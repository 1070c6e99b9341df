//! The C interface of image-cache: opaque handles, error codes, and the text of the last error of each thread.
//!
//! `include/image_cache.h` is generated from this package by cbindgen and contains its documentation; `docs/embedding-c.md` shows
//! how to build, link and use it. A test compares the header with a new one. After a change, write it with
//! `IMAGE_CACHE_SAVE_HEADER=1 cargo test --workspace --all-features --test c_header`.
//!
//! Each exported function does its work inside `boundary`, so that no panic reaches C, and gets its objects by
//! `handle`.

#![deny(missing_docs)]
#![allow(
    clippy::missing_safety_doc,
    reason = "the rules are the same for all functions, and the header begins with them"
)]

mod adding;
mod boundary;
mod cache;
mod error;
mod expected;
mod failure;
mod fetching;
mod handle;
mod handle_table;
mod images;
mod last_error;
mod log;
mod maintenance;
mod outcome;
mod queue;
mod reader;
mod running_log;
mod running_source;
mod source;
mod status;
mod text;
mod version;
mod writer;

pub use adding::{imgcache_add, imgcache_add_fd};
pub use cache::{
    Cache, imgcache_close, imgcache_for_tenant, imgcache_open, imgcache_open_file,
    imgcache_reconfigure,
};
pub use error::{ErrorCode, imgcache_error_name};
pub use fetching::{imgcache_follow, imgcache_get_or_fetch, imgcache_get_or_fetch_range};
pub use images::{
    ImageRecord, Visit, imgcache_delete, imgcache_delete_all, imgcache_hit_count,
    imgcache_image_size, imgcache_is_being_cached, imgcache_is_cached, imgcache_list, imgcache_pin,
    imgcache_unpin,
};
pub use last_error::{imgcache_error_errno, imgcache_error_is_retryable, imgcache_message};
pub use log::{Log, LogLevel, imgcache_set_log};
pub use maintenance::{
    Cleaned, Pruned, imgcache_clean, imgcache_flush, imgcache_prune, imgcache_reconcile,
    imgcache_verify,
};
pub use outcome::OutcomeCode;
pub use queue::{
    VisitId, imgcache_dequeue, imgcache_is_queued, imgcache_list_queue, imgcache_queue,
};
pub use reader::{
    Reader, imgcache_open_cached, imgcache_open_range, imgcache_outcome_of, imgcache_read,
    imgcache_reader_close, imgcache_seek, imgcache_size,
};
pub use source::{Source, imgcache_set_source_error};
pub use status::{Status, imgcache_driver, imgcache_get_status};
pub use version::{imgcache_interface, imgcache_version};
pub use writer::{Writer, imgcache_abort, imgcache_begin, imgcache_finish, imgcache_write};
