//! Certificates and certificate authorities.

use clap::Args;
use std::path::PathBuf;

/// How the listeners speak TLS.
#[derive(Debug, Clone, Args)]
pub struct ListenerTls {
    /// A PEM file with the certificate of both listeners and its chain; they then accept only TLS
    #[arg(long, value_name = "FILE", env = "IMAGE_CACHE_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// A PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", env = "IMAGE_CACHE_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

/// How the upstream is trusted.
#[derive(Debug, Clone, Args)]
pub struct UpstreamTls {
    /// A PEM file with the certificate authorities of an https upstream [default: those of the system]
    #[arg(long, value_name = "FILE", env = "IMAGE_CACHE_UPSTREAM_CA")]
    pub upstream_ca: Option<PathBuf>,
}
