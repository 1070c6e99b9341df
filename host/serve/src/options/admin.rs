//! The options of the admin listener.

use super::values::address_or_none;
use clap::Args;
use std::path::PathBuf;

/// Where the cache is managed.
#[derive(Debug, Clone, Args)]
pub struct AdminOptions {
    /// The address of the management API, which Glance's clients can use; an address other than loopback needs a token; none disables it
    #[arg(
        long,
        value_name = "ADDR",
        env = "IMAGE_CACHE_ADMIN_LISTEN",
        default_value = "127.0.0.1:9294",
        value_parser = address_or_none
    )]
    pub admin_listen: String,
    /// A file with the token that requests must have, as X-Auth-Token or Authorization: Bearer; the token itself can be in $IMAGE_CACHE_ADMIN_TOKEN instead
    #[arg(long, value_name = "FILE", env = "IMAGE_CACHE_ADMIN_TOKEN_FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// A further host name of the admin listener, in addition to loopback, its address and the machine's name, or one whose web pages may manage the cache; may be repeated, or be a list with commas
    #[arg(long, value_name = "HOST", env = "IMAGE_CACHE_ADMIN_HOST", value_delimiter = ',', value_parser = host_name)]
    pub admin_host: Vec<String>,
}

/// A host without scheme and port.
fn host_name(text: &str) -> Result<String, String> {
    let host = text.trim().trim_matches(['[', ']']).to_owned();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    let is_name = !host.contains(':') || host.parse::<std::net::IpAddr>().is_ok();
    if host.is_empty() || !host.chars().all(is_plain) || !is_name {
        return Err("accepted: a host name or address, without scheme and port".to_owned());
    }
    Ok(host)
}

impl AdminOptions {
    /// The address; `None` if there is no admin listener.
    pub fn address(&self) -> Option<&str> {
        Some(self.admin_listen.as_str()).filter(|address| *address != "none")
    }
}
