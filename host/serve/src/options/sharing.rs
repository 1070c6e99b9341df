//! Which requests are personal, and what shared fetches carry.

use clap::Args;
use hyper::header::HeaderName;

/// Which requests are for one user alone.
#[derive(Debug, Clone, Args)]
pub struct Sharing {
    /// A header field that makes a request personal, beside Authorization, Cookie, X-Auth-Token, X-Api-Key, Private-Token and X-Amz-Security-Token; several times, or separated by commas
    #[arg(long, value_name = "NAME", env = "IMAGE_CACHE_PERSONAL_HEADER", value_delimiter = ',', value_parser = field)]
    pub personal_header: Vec<HeaderName>,
    /// A header field of the client's that shared fetches carry to the upstream, beside those that the documentation lists; answers that vary by it are not kept; several times, or separated by commas
    #[arg(long, value_name = "NAME", env = "IMAGE_CACHE_SHARED_HEADER", value_delimiter = ',', value_parser = field)]
    pub shared_header: Vec<HeaderName>,
    /// A parameter of a query that holds a credential, beside X-Amz-Signature, sig, token and others; several times, or separated by commas
    #[arg(long, value_name = "NAME", env = "IMAGE_CACHE_CREDENTIAL_QUERY", value_delimiter = ',', value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub credential_query: Vec<String>,
    /// Cache what is asked for by a query with a credential, too: whoever knows the whole URL gets it; its id in the cache is a digest
    #[arg(long, env = "IMAGE_CACHE_CACHE_CREDENTIAL_QUERIES")]
    pub cache_credential_queries: bool,
}

fn field(text: &str) -> Result<HeaderName, String> {
    text.trim().parse().map_err(|_| "accepted: the name of a header field, as X-Api-Key".to_owned())
}
