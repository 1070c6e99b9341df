//! Which of a client's header fields a shared fetch carries, and which make a request one for its user alone.

use super::options::{Options, Profile};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Fields by which a server tells users apart.
const PERSONAL: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("private-token"),
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-auth-token"),
];

/// What a fetch carries of its client's fields although others share the fetch: the client's software and addresses, and its
/// trace. The host is there for an upstream whose responses name it.
const SHARED: [HeaderName; 7] = [
    header::HOST,
    header::USER_AGENT,
    header::VIA,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-openstack-request-id"),
];

/// How services of OpenStack name a user to each other: fields that begin so.
const OF_OPENSTACK: [&str; 2] = ["x-", "openstack-"];

/// The rules for a service's requests.
#[derive(Debug, Clone)]
pub struct RequestFields {
    personal: Vec<HeaderName>,
    shared: Vec<HeaderName>,
    profile: Profile,
    /// Whether each use of an image needs the upstream's permission.
    pub authorises: bool,
}

impl RequestFields {
    /// With the operator's further names.
    pub fn new(options: &Options) -> RequestFields {
        let further = &options.sharing;
        let with = |known: &[HeaderName], further: &[HeaderName]| {
            known.iter().chain(further).cloned().collect()
        };
        let personal = with(&PERSONAL, &further.personal_header);
        RequestFields {
            personal,
            shared: with(&SHARED, &further.shared_header),
            profile: options.origin.profile,
            authorises: options.authorises(),
        }
    }

    /// Whether a request is for its user alone.
    pub fn is_personal(&self, headers: &HeaderMap) -> bool {
        self.personal.iter().any(|name| headers.contains_key(name))
    }

    /// What a shared fetch carries of a client's fields.
    pub fn for_shared_fetch(&self, headers: &HeaderMap) -> HeaderMap {
        let mut carried = HeaderMap::new();
        for (name, value) in headers {
            if self.is_carried(name) {
                carried.append(name.clone(), value.clone());
            }
        }
        carried.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        carried
    }

    /// Whether a shared fetch carries a field, and not the same for all.
    fn is_carried(&self, name: &HeaderName) -> bool {
        let is_glance = self.profile == Profile::Glance;
        let is_of_user = self.personal.contains(name)
            || (is_glance && OF_OPENSTACK.iter().any(|start| name.as_str().starts_with(start)));
        self.shared.contains(name) || (is_of_user && (is_glance || self.authorises))
    }

    /// Whether responses that vary by this field differ between the fetches of two clients.
    pub fn makes_fetches_differ(&self, name: &HeaderName) -> bool {
        // Without the client's host, all fetches name the upstream's.
        let is_same_for_all = self.profile == Profile::Plain && name == header::HOST;
        self.is_carried(name) && !is_same_for_all
    }
}
