//! The options of `image-cache serve` and `image-cache prefetch`: flags or environment variables.

mod admin;
mod error;
mod limits;
mod maintenance;
mod origin;
mod prefetch;
mod record;
mod sharing;
mod tls;
mod values;

pub use admin::AdminOptions;
pub use error::OptionError;
pub use limits::ClientLimits;
pub use maintenance::MaintenanceOptions;
pub use origin::{Origin, Profile};
pub use prefetch::PrefetchSettings;
pub use record::RecordOptions;
pub use sharing::Sharing;
pub use tls::ListenerTls;

use clap::{Args, Parser, ValueEnum};
use hyper::header::HeaderName;
use std::time::Duration;
use values::{address, field, time};

/// `image-cache serve`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where images come from.
    #[command(flatten)]
    pub origin: Origin,
    /// The address and port where clients connect; port 0 takes any free one
    #[arg(long, value_name = "ADDR", env = "IMAGE_CACHE_LISTEN", default_value = "127.0.0.1:9293", value_parser = address)]
    pub listen: String,
    /// Ask the upstream, with the caller's credentials, before a cached image is served: always, or never, for public content [default: always for glance, never for plain]
    #[arg(
        long,
        value_enum,
        env = "IMAGE_CACHE_AUTHORISE",
        hide_possible_values = true,
        value_name = "always|never"
    )]
    pub authorise: Option<Authorise>,
    /// How long the upstream's permission holds for the same credentials and image; seconds, or with a unit
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_AUTHORISE_FOR", default_value = "0", value_parser = time, hide_default_value = true)]
    pub authorise_for: Duration,
    /// Serve cached images while the upstream cannot be reached; for public content only
    #[arg(long, env = "IMAGE_CACHE_SERVE_STALE_IF_UNREACHABLE")]
    pub serve_stale_if_unreachable: bool,
    /// Fetch a whole image, to its end, when a part of it is requested that is not cached
    #[arg(long, env = "IMAGE_CACHE_FETCH_ON_RANGE")]
    pub fetch_on_range: bool,
    /// The maximum number of fetches by --fetch-on-range at once; while that many run, further parts are served uncached
    #[arg(long, value_name = "N", env = "IMAGE_CACHE_FETCH_ON_RANGE_AT_ONCE", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub fetch_on_range_at_once: u32,
    /// The header field whose value is the tenant of a request, for drivers with a policy for tenants; it grants nothing, and only a proxy that all clients use should be able to set it
    #[arg(long, value_name = "NAME", env = "IMAGE_CACHE_TENANT_HEADER", value_parser = field)]
    pub tenant_header: Option<HeaderName>,
    /// Which requests are for one user alone.
    #[command(flatten)]
    pub sharing: Sharing,
    /// TLS for clients.
    #[command(flatten)]
    pub tls: ListenerTls,
    /// The admin interface.
    #[command(flatten)]
    pub admin: AdminOptions,
    /// Fetching ahead.
    #[command(flatten)]
    pub prefetch: PrefetchSettings,
    /// Maintenance.
    #[command(flatten)]
    pub maintenance: MaintenanceOptions,
    /// Recording requests.
    #[command(flatten)]
    pub record: RecordOptions,
    /// What clients may use.
    #[command(flatten)]
    pub limits: ClientLimits,
}

/// `image-cache prefetch`.
#[derive(Debug, Clone, Args)]
pub struct PrefetchOptions {
    /// Where images come from.
    #[command(flatten)]
    pub origin: Origin,
    /// Fetching ahead.
    #[command(flatten)]
    pub prefetch: PrefetchSettings,
}

/// All options at their defaults except the required ones.
#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    options: Options,
}

/// Whether the upstream authorises hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Authorise {
    Always,
    Never,
}

impl Options {
    /// For `image-cache prefetch`, which serves no clients.
    pub fn for_prefetch(given: PrefetchOptions) -> Result<Options, clap::Error> {
        let upstream = given.origin.upstream.to_string();
        let Defaults { options } =
            Defaults::try_parse_from(["image-cache", "--upstream", &upstream])?;
        Ok(Options { origin: given.origin, prefetch: given.prefetch, ..options })
    }

    /// Whether the upstream authorises hits.
    pub fn authorises(&self) -> bool {
        match (self.authorise, self.origin.profile) {
            (Some(authorise), _) => authorise == Authorise::Always,
            (None, profile) => profile == Profile::Glance,
        }
    }
}
