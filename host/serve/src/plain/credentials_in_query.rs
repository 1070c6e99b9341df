//! Requests whose query contains a credential, as in signed URLs: they are for their user only.

use crate::plain_id;
use percent_encoding::percent_decode_str;

/// Names of parameters that contain a credential; case does not matter.
const KNOWN: [&str; 20] = [
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "auth_token",
    "authorization",
    "awsaccesskeyid",
    "hdnts",
    "jwt",
    "key-pair-id",
    "password",
    "private_token",
    "sig",
    "signature",
    "temp_url_sig",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-signature",
];

/// The names of the parameters that contain a credential.
#[derive(Debug, Clone)]
pub struct KnownCredentials(Vec<String>);

impl KnownCredentials {
    /// Adds further names.
    pub fn with(further: &[String]) -> KnownCredentials {
        let known = KNOWN.iter().map(|name| (*name).to_owned());
        KnownCredentials(known.chain(further.iter().map(|name| name.to_lowercase())).collect())
    }

    /// The id of a target whose query contains a credential: a digest, so that no list or log shows the credential.
    /// `None` if the query contains none.
    pub fn id(&self, target: &str) -> Option<String> {
        let (_, query) = target.split_once('?')?;
        let mut names = query.split(['&', ';']).map(|pair| pair.split('=').next().unwrap_or(pair));
        let holds_one = names.any(|name| {
            let name = percent_decode_str(name).decode_utf8_lossy().to_lowercase();
            self.0.contains(&name)
        });
        holds_one.then(|| plain_id::hashed(target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_found_however_its_name_is_written() {
        let known = KnownCredentials::with(&["X-Mine".to_owned()]);
        for target in [
            "/a?X-Amz-Signature=s",
            "/a?x=1&x-amz-signature=s",
            "/a?%74oken=s",
            "/a?sig",
            "/a?x;token=s",
            "/a?x-mine=s",
        ] {
            let id = known.id(target).unwrap_or_default();
            assert!(id.starts_with('@') && !id.contains("=s"), "{target}");
        }
        for target in ["/a", "/a?x=token", "/token", "/a?tokens=1", "/a?x-amz-date=1"] {
            assert_eq!(known.id(target), None, "{target}");
        }
    }
}
