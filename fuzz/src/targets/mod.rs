//! The targets for code of the service. A target panics if the code under test violates its contract.
//!
//! This module is included in the fuzz crate and in the service's own tests, which run all
//! inputs of the corpora.

pub mod cache_control;
pub mod credentials_file;
pub mod credentials_in_query;
pub mod plain_ids;
pub mod ranges;
pub mod stored_response;

/// The valid header lines of an input.
fn headers(data: &[u8]) -> hyper::HeaderMap {
    use hyper::header::{HeaderName, HeaderValue};
    let line = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    let mut headers = hyper::HeaderMap::new();
    // About the maximum number in the header of a request or a response.
    for (name, value) in data.split(|byte| *byte == b'\n').take(100).filter_map(line) {
        headers.append(name, value);
    }
    headers
}

#[cfg(test)]
#[path = "../corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: [corpus::Target; 6] = [
        ("cache_control", cache_control::check),
        ("credentials_file", credentials_file::check),
        ("credentials_in_query", credentials_in_query::check),
        ("plain_ids", plain_ids::check),
        ("ranges", ranges::check),
        ("stored_response", stored_response::check),
    ];

    #[test]
    fn all_inputs_of_the_corpora_pass() -> std::io::Result<()> {
        corpus::feed(&TARGETS)
    }
}
