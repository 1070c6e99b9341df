//! The upstream: its URL, its kind, and how long it may take.

use super::tls::UpstreamTls;
use super::values::timeout;
use clap::{Args, ValueEnum};
use hyper::Uri;
use std::time::Duration;

/// Where images come from; for `serve` and `prefetch`.
#[derive(Debug, Clone, Args)]
pub struct Origin {
    /// The server of images: http:// or https://, a host, and the path below which the images are
    #[arg(long, value_name = "URL", env = "IMAGE_CACHE_UPSTREAM", value_parser = upstream)]
    pub upstream: Uri,
    /// The longest wait for the upstream: for a connection, a response, or the next bytes of one; seconds, or with a unit
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_UPSTREAM_TIMEOUT", default_value = "60", value_parser = timeout, hide_default_value = true)]
    pub upstream_timeout: Duration,
    #[command(flatten)]
    pub tls: UpstreamTls,
    /// The kind of upstream: glance (the images of a Glance API) or plain (any GET below the upstream's URL)
    #[arg(long, value_enum, env = "IMAGE_CACHE_PROFILE", default_value_t = Profile::Glance, hide_possible_values = true, value_name = "glance|plain")]
    pub profile: Profile,
}

/// What the upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    Glance,
    Plain,
}

/// An absolute URL of a server, without a query.
fn upstream(text: &str) -> Result<Uri, String> {
    let accepted =
        || "accepted: http://HOST[:PORT][/PATH] or https://…, without user, query or fragment";
    let uri: Uri = text.parse().map_err(|error| format!("{error}; {}", accepted()))?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|authority| {
        let has_valid_port = !has_port(authority.as_str()) || authority.port_u16().is_some();
        !authority.as_str().contains('@') && has_valid_port
    });
    if known && plain && uri.query().is_none() && !text.contains('#') {
        return Ok(uri);
    }
    Err(accepted().to_owned())
}

/// Whether an authority has a port, valid or not. A colon in brackets belongs to an IPv6 address.
fn has_port(authority: &str) -> bool {
    authority.rsplit(']').next().is_some_and(|rest| rest.contains(':'))
}
