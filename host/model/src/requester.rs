//! Who requests an image.

use crate::printable::hides;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Maximum length of a tenant's name, in bytes.
pub const MAX_TENANT_BYTES: usize = 128;

/// Why an image is read or fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum RequestKind {
    /// A client reads it.
    #[default]
    Client,
    /// A client reads it while a fetch for another client is running.
    Follower,
    /// It is fetched because it is in the queue.
    Prefetch,
    /// An operator or a program adds it.
    Add,
}

/// For whom an image is requested: an opaque text of 1 to [`MAX_TENANT_BYTES`] bytes without control characters, equal for all
/// requests of one tenant.
///
/// ```
/// use image_cache_model::Tenant;
/// assert_eq!("project-7".parse::<Tenant>()?.as_str(), "project-7");
/// assert!("".parse::<Tenant>().is_err() && "a\nb".parse::<Tenant>().is_err());
/// # Ok::<(), image_cache_model::InvalidTenant>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tenant(Arc<str>);

/// A text that is not a tenant's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tenant has 1 to {MAX_TENANT_BYTES} bytes and no control characters; this one has {0} bytes"
)]
pub struct InvalidTenant(usize);

impl Tenant {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tenant {
    type Err = InvalidTenant;

    fn from_str(text: &str) -> Result<Tenant, InvalidTenant> {
        if text.is_empty() || text.len() > MAX_TENANT_BYTES || text.chars().any(hides) {
            return Err(InvalidTenant(text.len()));
        }
        Ok(Tenant(text.into()))
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request, as far as a driver may know it. The default is a client of an unknown tenant.
///
/// ```
/// use image_cache_model::{RequestKind, Requester};
/// let requester = Requester::of(RequestKind::Client).with_tenant(Some("project-7".parse()?));
/// assert_ne!(requester, Requester::default());
/// # Ok::<(), image_cache_model::InvalidTenant>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub struct Requester {
    /// Why the image is requested.
    pub kind: RequestKind,
    /// For whom, if that is known.
    pub tenant: Option<Tenant>,
}

impl Requester {
    /// A request of this kind, of an unknown tenant.
    pub fn of(kind: RequestKind) -> Requester {
        Requester { kind, tenant: None }
    }

    /// The same request, of another kind.
    #[must_use]
    pub fn with_kind(self, kind: RequestKind) -> Requester {
        Requester { kind, ..self }
    }

    /// The same request for this tenant, or for an unknown one.
    #[must_use]
    pub fn with_tenant(self, tenant: Option<Tenant>) -> Requester {
        Requester { tenant, ..self }
    }
}
