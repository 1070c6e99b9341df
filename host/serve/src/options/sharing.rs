//! Which requests are personal, and what shared fetches carry.

use super::values::field;
use clap::Args;
use hyper::header::HeaderName;

/// Which requests are for one user alone.
#[derive(Debug, Clone, Args)]
pub struct Sharing {
    /// A further header field that makes a request personal, in addition to Authorization, Cookie, X-Auth-Token, X-Api-Key, Private-Token and X-Amz-Security-Token; may be repeated, or be a list with commas
    #[arg(long, value_name = "NAME", env = "IMAGE_CACHE_PERSONAL_HEADER", value_delimiter = ',', value_parser = field)]
    pub personal_header: Vec<HeaderName>,
    /// A further header field of the client that shared fetches send to the upstream, in addition to those in docs/serve.md, "Fields of a shared fetch"; responses that vary by it are not stored; may be repeated, or be a list with commas
    #[arg(long, value_name = "NAME", env = "IMAGE_CACHE_SHARED_HEADER", value_delimiter = ',', value_parser = field)]
    pub shared_header: Vec<HeaderName>,
    /// A further query parameter that holds a credential, in addition to X-Amz-Signature, sig, token and others; may be repeated, or be a list with commas
    #[arg(long, value_name = "NAME", env = "IMAGE_CACHE_CREDENTIAL_QUERY", value_delimiter = ',', value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub credential_query: Vec<String>,
    /// Also cache what is requested with a credential in the query: anyone who knows the whole URL gets it; its id in the cache is a digest
    #[arg(long, env = "IMAGE_CACHE_CACHE_CREDENTIAL_QUERIES")]
    pub cache_credential_queries: bool,
}
