//! `image-cache serve` as operators see it: managed, fetching what is queued, keeping its bounds, told of and stopped.

mod admin;
mod admin_guard;
mod connection_limit;
mod descriptors;
mod heads;
mod log_pipe;
mod numbers;
mod planted;
mod prefetching;
mod running;
mod tls;
mod units;
mod upkeep;
