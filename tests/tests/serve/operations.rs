//! `image-cache serve` as operators see it: management, the prefetcher, limits, metrics, logs, start and stop.

mod admin;
mod admin_guard;
mod connection_limit;
mod descriptors;
mod heads;
mod log_pipe;
mod maintenance;
mod numbers;
mod planted;
mod prefetching;
mod reloading;
mod requesters;
mod running;
mod tls;
mod units;
mod warnings;
