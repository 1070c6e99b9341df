//! The whole flow, with real drivers on real file systems. One program, so that it is linked once.

mod cache_faults;
mod cleaning;
mod filling;
mod glance_faults;
mod hits;
mod image_ids;
mod in_tokio;
mod keeping;
mod many_threads;
mod model;
mod no_images;
mod on_the_runtime;
mod opening;
mod operations;
mod pruning;
mod queue;
mod readers;
mod reading;
mod reconciling;
mod rot;
mod rot_at_random;
mod sources;
mod space;
mod streams;
mod stubborn;
mod writers;
