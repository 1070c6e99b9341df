//! Which of a client's header fields a shared fetch forwards, and which make a request personal.

use super::options::{Options, Profile};
use super::upstream::named_by_connection;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Fields that identify a user to a server.
const PERSONAL: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("private-token"),
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-auth-token"),
];

/// The client's fields that a fetch forwards although other clients share it: the client's software, addresses and trace.
/// Host is included because an upstream may use it in its responses.
const SHARED: [HeaderName; 7] = [
    header::HOST,
    header::USER_AGENT,
    header::VIA,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-openstack-request-id"),
];

/// Prefixes of the fields that identify a user between OpenStack's services.
const OF_OPENSTACK: [&str; 2] = ["x-", "openstack-"];

/// The rules of a service for requests.
#[derive(Debug, Clone)]
pub struct RequestFields {
    personal: Vec<HeaderName>,
    shared: Vec<HeaderName>,
    profile: Profile,
    /// Whether the upstream must authorise each use of an image.
    pub authorises: bool,
}

impl RequestFields {
    /// Adds the operator's further names.
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

    /// Whether a request is for its user only.
    pub fn is_personal(&self, headers: &HeaderMap) -> bool {
        self.personal.iter().any(|name| headers.contains_key(name))
    }

    /// The client's fields that a shared fetch forwards.
    pub fn for_shared_fetch(&self, headers: &HeaderMap) -> HeaderMap {
        let (mut carried, of_connection) = (HeaderMap::new(), named_by_connection(headers));
        for (name, value) in headers {
            if self.is_carried(name) && !of_connection.contains(name) {
                carried.append(name.clone(), value.clone());
            }
        }
        carried.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        carried
    }

    /// Whether a shared fetch forwards a field whose value may differ between clients.
    fn is_carried(&self, name: &HeaderName) -> bool {
        let is_glance = self.profile == Profile::Glance;
        let is_of_user = self.personal.contains(name)
            || (is_glance && OF_OPENSTACK.iter().any(|start| name.as_str().starts_with(start)));
        self.shared.contains(name) || (is_of_user && (is_glance || self.authorises))
    }

    /// Whether responses that vary on this field differ between the fetches of two clients.
    pub fn makes_fetches_differ(&self, name: &HeaderName) -> bool {
        // Without the client's Host, all fetches have the upstream's host.
        let is_same_for_all = self.profile == Profile::Plain && name == header::HOST;
        self.is_carried(name) && !is_same_for_all
    }
}
