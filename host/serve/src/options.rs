//! The options of `image-cache serve` and `image-cache prefetch`, from flags or the environment.
//!
//! Their help texts are also the text of `docs/configuration.md` and of the man page (`cargo xtask docs`).

use super::admin::AdminOptions;
use super::limits::ClientLimits;
use super::maintenance::Upkeep;
use super::prefetch::PrefetchSettings;
use super::tls::{ListenerTls, UpstreamTls};
use clap::{Args, Parser, ValueEnum};
use hyper::Uri;
use hyper::header::HeaderName;
use std::time::Duration;

/// `image-cache serve`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where images come from.
    #[command(flatten)]
    pub origin: Origin,
    /// The address and port where clients connect; port 0 takes any free one
    #[arg(long, value_name = "ADDR", env = "IMAGE_CACHE_LISTEN", default_value = "127.0.0.1:9293")]
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
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_AUTHORISE_FOR", default_value = "0", value_parser = time)]
    pub authorise_for: Duration,
    /// Serve cached images while the upstream cannot be reached; for public content only
    #[arg(long, env = "IMAGE_CACHE_SERVE_STALE_IF_UNREACHABLE")]
    pub serve_stale_if_unreachable: bool,
    /// Fetch a whole image, to its end, when a part of it is requested that is not cached
    #[arg(long, env = "IMAGE_CACHE_FETCH_ON_RANGE")]
    pub fetch_on_range: bool,
    /// The most fetches by --fetch-on-range at once; while as many run, further parts are passed on uncached
    #[arg(long, value_name = "N", env = "IMAGE_CACHE_FETCH_ON_RANGE_AT_ONCE", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub fetch_on_range_at_once: u32,
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
    pub upkeep: Upkeep,
    /// What clients may use.
    #[command(flatten)]
    pub limits: ClientLimits,
}

/// Which requests are for one user alone.
#[derive(Debug, Clone, Args)]
pub struct Sharing {
    /// A further header field that makes a request personal, in addition to Authorization, Cookie, X-Auth-Token, X-Api-Key, Private-Token and X-Amz-Security-Token; may be repeated, or be a list with commas
    #[arg(long, value_name = "NAME", env = "IMAGE_CACHE_PERSONAL_HEADER", value_delimiter = ',', value_parser = field)]
    pub personal_header: Vec<HeaderName>,
    /// A further header field of the client that shared fetches send to the upstream, in addition to those in the manual of the service; answers that vary by it are not kept; may be repeated, or be a list with commas
    #[arg(long, value_name = "NAME", env = "IMAGE_CACHE_SHARED_HEADER", value_delimiter = ',', value_parser = field)]
    pub shared_header: Vec<HeaderName>,
    /// A further query parameter that holds a credential, in addition to X-Amz-Signature, sig, token and others; may be repeated, or be a list with commas
    #[arg(long, value_name = "NAME", env = "IMAGE_CACHE_CREDENTIAL_QUERY", value_delimiter = ',', value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub credential_query: Vec<String>,
    /// Also cache what is requested with a credential in the query: anyone who knows the whole URL gets it; its id in the cache is a digest
    #[arg(long, env = "IMAGE_CACHE_CACHE_CREDENTIAL_QUERIES")]
    pub cache_credential_queries: bool,
}

fn field(text: &str) -> Result<HeaderName, String> {
    text.trim().parse().map_err(|_| "accepted: the name of a header field, as X-Api-Key".to_owned())
}

/// Where images come from; for `serve` and `prefetch`.
#[derive(Debug, Clone, Args)]
pub struct Origin {
    /// The server of images: http:// or https://, a host, and the path below which the images are
    #[arg(long, value_name = "URL", env = "IMAGE_CACHE_UPSTREAM", value_parser = upstream)]
    pub upstream: Uri,
    /// The longest wait for the upstream: for a connection, an answer, or the next bytes of one; seconds, or with a unit
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_UPSTREAM_TIMEOUT", default_value = "60", value_parser = time)]
    pub upstream_timeout: Duration,
    #[command(flatten)]
    pub tls: UpstreamTls,
    /// The kind of upstream: glance (the images of a Glance API) or plain (any GET below the upstream's URL)
    #[arg(long, value_enum, env = "IMAGE_CACHE_PROFILE", default_value_t = Profile::Glance, hide_possible_values = true, value_name = "glance|plain")]
    pub profile: Profile,
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

/// Every option has its default, except those that are required.
#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    options: Options,
}

/// What the upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    Glance,
    Plain,
}

/// Whether hits are authorised by the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Authorise {
    Always,
    Never,
}

impl Options {
    /// The options of a service that has no clients.
    pub fn for_prefetch(given: PrefetchOptions) -> Result<Options, clap::Error> {
        let upstream = given.origin.upstream.to_string();
        let Defaults { options } =
            Defaults::try_parse_from(["image-cache", "--upstream", &upstream])?;
        Ok(Options { origin: given.origin, prefetch: given.prefetch, ..options })
    }

    /// Whether hits are authorised by the upstream.
    pub fn authorises(&self) -> bool {
        match (self.authorise, self.origin.profile) {
            (Some(authorise), _) => authorise == Authorise::Always,
            (None, profile) => profile == Profile::Glance,
        }
    }
}

/// A number of seconds, or a number with a unit.
pub fn time(text: &str) -> Result<Duration, String> {
    let seconds = text.trim().parse().ok().and_then(|n: f64| Duration::try_from_secs_f64(n).ok());
    seconds.or_else(|| humantime::parse_duration(text.trim()).ok()).ok_or_else(|| {
        "accepted: seconds (5), or a number with a unit (\"500ms\", \"2m\")".to_owned()
    })
}

/// An absolute URL of a server, without a query.
fn upstream(text: &str) -> Result<Uri, String> {
    let accepted =
        || "accepted: http://HOST[:PORT][/PATH] or https://…, without user, query or fragment";
    let uri: Uri = text.parse().map_err(|error| format!("{error}; {}", accepted()))?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if known && plain && uri.query().is_none() && !text.contains('#') {
        return Ok(uri);
    }
    Err(accepted().to_owned())
}
