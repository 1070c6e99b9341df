//! Requests whose query contains a credential, as in signed URLs: they are for their user only.

use crate::plain_id;
use percent_encoding::{CONTROLS, percent_decode_str, utf8_percent_encode};

/// Names of parameters that contain a credential; case does not matter.
const KNOWN: [&str; 33] = [
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "auth_token",
    "authorization",
    "awsaccesskeyid",
    "hdnea",
    "hdntl",
    "hdnts",
    "jwt",
    "key-pair-id",
    "ossaccesskeyid",
    "password",
    "private_token",
    "q-ak",
    "q-signature",
    "security-token",
    "sig",
    "signature",
    "temp_url_sig",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-cos-security-token",
    "x-goog-credential",
    "x-goog-signature",
    "x-obs-security-token",
    "x-obs-signature",
    "x-oss-credential",
    "x-oss-security-token",
    "x-oss-signature",
];

/// How often a path is decoded: a path may contain an encoded id, which contains an encoded query.
const MOST_DECODINGS: usize = 3;

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

    /// A target that shows no credential: the digest that is its id, or as [`without`](Self::without) shows it.
    pub fn hidden(&self, target: &str) -> String {
        self.id(target).unwrap_or_else(|| self.without(target))
    }

    /// A path for the log. Percent-encoded, it may contain a query with a credential, for example in the id of an image that is
    /// managed: the text from the question mark on is then omitted.
    pub fn without(&self, path: &str) -> String {
        let mut decoded = path.to_owned();
        for _ in 0..MOST_DECODINGS {
            if !decoded.contains('%') {
                break;
            }
            decoded = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
            if let Some((before, _)) = decoded.split_once('?')
                && self.id(&decoded).is_some()
            {
                return format!("{}?…", utf8_percent_encode(before, CONTROLS));
            }
        }
        path.to_owned()
    }

    /// Whether an id shows a credential: an earlier version used it, or somebody queued it.
    pub fn are_in_id(&self, id: &str) -> bool {
        plain_id::target_of(id).is_some_and(|target| self.id(&target).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_lists_every_parameter() {
        let manual = include_str!("../../../../docs/serve.md");
        for name in KNOWN {
            assert!(manual.contains(&format!("`{name}`")), "docs/serve.md lacks `{name}`");
        }
    }

    #[test]
    fn a_path_in_the_log_shows_no_credential_however_often_it_is_encoded() {
        let known = KnownCredentials::with(&[]);
        for path in ["/a%3Ftoken=s", "/v2/cache/a%3Ftoken%3Ds", "/v2/cache/a%253Ftoken%253Ds"] {
            let shown = known.without(path);
            assert!(shown.ends_with("a?…"), "{shown}");
        }
        for path in ["/a", "/a%3Fx=1", "/100%", "/a%2Fb"] {
            assert_eq!(known.without(path), path);
        }
    }

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
