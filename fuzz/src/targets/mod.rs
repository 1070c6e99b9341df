//! What each target does with its bytes. It panics if the code under it does not keep its word.
//!
//! This module lies beside those that it tries: in the fuzz crate, and in the service's own tests, which feed it all
//! that the corpora keep.

pub mod cache_control;
pub mod ranges;
pub mod stored_response;

/// The header lines of an input, as far as they are some.
fn headers(data: &[u8]) -> hyper::HeaderMap {
    use hyper::header::{HeaderName, HeaderValue};
    let line = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    let mut headers = hyper::HeaderMap::new();
    // As many as a request's or an answer's head has at most, about.
    for (name, value) in data.split(|byte| *byte == b'\n').take(100).filter_map(line) {
        headers.append(name, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::{cache_control, ranges, stored_response};
    use std::path::Path;

    /// The name of a corpus, and what is fed with it.
    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 3] = [
        ("cache_control", cache_control::check),
        ("ranges", ranges::check),
        ("stored_response", stored_response::check),
    ];

    #[test]
    fn all_that_the_corpora_keep_is_read_as_it_should_be() -> std::io::Result<()> {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        for (name, target) in TARGETS {
            let mut inputs = 0;
            for entry in std::fs::read_dir(corpora.join(name))? {
                let path = entry?.path();
                let data = std::fs::read(&path)?;
                // Which input it was, if the target panics.
                println!("{}", path.display());
                target(&data);
                inputs += 1;
            }
            assert!(inputs > 0, "the corpus of {name} is empty");
        }
        Ok(())
    }
}
