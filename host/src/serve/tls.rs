//! TLS towards clients and towards the upstream.

use super::options::{Options, Origin};
use rustls::ClientConfig;
use tokio_rustls::TlsAcceptor;

/// What clients are greeted with; nothing where they speak plain HTTP.
pub fn acceptor(_options: &Options) -> anyhow::Result<Option<TlsAcceptor>> {
    Ok(None)
}

/// What the upstream's certificate is held against: what the system trusts.
pub fn client_config(_origin: &Origin) -> anyhow::Result<ClientConfig> {
    use hyper_rustls::ConfigBuilderExt;
    Ok(ClientConfig::builder().with_native_roots()?.with_no_client_auth())
}
