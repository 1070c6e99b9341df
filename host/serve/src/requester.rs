//! For whom a client's request is, as the driver's policy knows it.

use super::options::Options;
use hyper::http::request::Parts;
use image_cache::{RequestKind, Requester, Tenant};
use sha2::{Digest, Sha256};

/// The requester of a request: the value of the operator's field is the tenant, or its digest if it is long or not printable text.
/// A request that the service sends to itself has its kind as an extension.
pub fn requester(head: &Parts, options: &Options) -> Requester {
    let kind = head.extensions.get::<RequestKind>().copied().unwrap_or_default();
    let value = options.tenant_header.as_ref().and_then(|name| head.headers.get(name));
    Requester::of(kind).with_tenant(value.and_then(|value| tenant(value.as_bytes())))
}

fn tenant(value: &[u8]) -> Option<Tenant> {
    if value.is_empty() {
        return None;
    }
    let plain = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    plain.or_else(|| hex::encode(Sha256::digest(value)).parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_the_fields_value_or_its_digest() {
        let named = |value: &[u8]| tenant(value).map(|tenant| tenant.to_string());
        assert_eq!(named(b"project-7").as_deref(), Some("project-7"));
        assert_eq!(named(b""), None);
        let digests = [named(&[b'a'; 200]), named(b"\xff"), named(b"a\tb")];
        for digest in &digests {
            assert_eq!(digest.as_ref().map(String::len), Some(64), "{digest:?}");
        }
        assert!(digests[0] != digests[1] && digests[1] != digests[2]);
    }
}
