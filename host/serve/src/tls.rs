//! TLS with clients and with the upstream.

use super::options::{ListenerTls, Origin};
use anyhow::{Context, bail};
use image_cache::read_file;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// The maximum size of a file of certificates; those of all authorities that systems trust have a quarter of a MiB.
const MAX_BYTES: u64 = 16 << 20;

/// The certificate of the listeners; it can be replaced while the service runs.
#[derive(Debug)]
pub struct ServerCertificate {
    cert: PathBuf,
    key: PathBuf,
    shown: RwLock<Arc<CertifiedKey>>,
}

impl ServerCertificate {
    /// Loads the certificate; `None` if the listeners do not use TLS.
    pub fn load(options: &ListenerTls) -> anyhow::Result<Option<Arc<ServerCertificate>>> {
        let (Some(cert), Some(key)) = (&options.tls_cert, &options.tls_key) else {
            return Ok(None);
        };
        let shown = RwLock::new(Arc::new(certified_key(cert, key)?));
        Ok(Some(Arc::new(ServerCertificate { cert: cert.clone(), key: key.clone(), shown })))
    }

    /// Reads the files again; if they are invalid, the certificate does not change.
    pub fn reload(&self) -> anyhow::Result<()> {
        let fresh = Arc::new(certified_key(&self.cert, &self.key)?);
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Accepts TLS connections.
    pub fn acceptor(self: &Arc<Self>) -> anyhow::Result<TlsAcceptor> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config).into())
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// How the upstream's certificate is verified.
pub fn client_config(origin: &Origin) -> anyhow::Result<ClientConfig> {
    use hyper_rustls::ConfigBuilderExt;
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?;
    let builder = match &origin.tls.upstream_ca {
        Some(file) => builder.with_root_certificates(authorities(file)?),
        // No certificate is checked, so the machine needs no certificate authorities.
        None if origin.upstream.scheme_str() == Some("http") => {
            builder.with_root_certificates(RootCertStore::empty())
        }
        None => builder.with_native_roots().context(
            "the system trusts no certificate authority: install ca-certificates, or set --upstream-ca",
        )?,
    };
    Ok(builder.with_no_client_auth())
}

fn authorities(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).with_context(|| {
            format!("{} contains a certificate that is not of an authority", file.display())
        })?;
    }
    Ok(roots)
}

fn certified_key(cert: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let provider: CryptoProvider = default_provider();
    let cannot = || format!("cannot read a private key in PEM from {}", key.display());
    let bytes = read_file(key, MAX_BYTES).with_context(cannot)?;
    let private = PrivateKeyDer::from_pem_slice(&bytes).with_context(cannot)?;
    CertifiedKey::from_der(certificates(cert)?, private, &provider).with_context(|| {
        format!("the key in {} does not go with {}", key.display(), cert.display())
    })
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let cannot = || format!("cannot read certificates in PEM from {}", file.display());
    let bytes = read_file(file, MAX_BYTES).with_context(cannot)?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().with_context(cannot)?;
    if certificates.is_empty() {
        bail!("{} holds no certificate in PEM", file.display());
    }
    Ok(certificates)
}
