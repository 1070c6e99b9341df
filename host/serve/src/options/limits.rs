//! Limits for clients: connections, size of a request's header, time. Fixed times are in [`timeouts`](crate::timeouts).

use super::values::{time, timeout};
use bytesize::ByteSize;
use clap::Args;
use std::time::Duration;

/// The smallest buffer that hyper has for a header.
const LEAST_HEAD: u64 = 8 * 1024;

/// A larger header is an attack.
const MOST_HEAD: u64 = 16 << 20;

/// What a client may take.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct ClientLimits {
    /// The maximum number of client connections, lower if the open-file limit requires it; further connections wait, and idle ones are closed
    #[arg(long, value_name = "N", env = "IMAGE_CACHE_MAX_CONNECTIONS", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,
    /// The maximum size of the header of a request; the response to a larger one is 431
    #[arg(long, value_name = "SIZE", env = "IMAGE_CACHE_MAX_HEAD", default_value = "64 KiB", value_parser = head)]
    pub max_head: usize,
    /// How long a client may take to send the header of a request, and of each later one on its connection
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_IDLE_TIMEOUT", default_value = "60s", value_parser = timeout)]
    pub idle_timeout: Duration,
    /// How long a client may neither send nor read a byte of a body before its connection is closed
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_BODY_TIMEOUT", default_value = "60s", value_parser = timeout)]
    pub body_timeout: Duration,
    /// How long responses may take to finish when the service is stopped
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_STOP_WITHIN", default_value = "5m", value_parser = time)]
    pub stop_within: Duration,
}

fn head(text: &str) -> Result<usize, String> {
    let size = text.parse::<ByteSize>().ok().map(|size| size.as_u64());
    let size = size.filter(|size| (LEAST_HEAD..=MOST_HEAD).contains(size));
    size.and_then(|size| usize::try_from(size).ok())
        .ok_or_else(|| "accepted: 8 KiB to 16 MiB, in bytes or with a unit".to_owned())
}
