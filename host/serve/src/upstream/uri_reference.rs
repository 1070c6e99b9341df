//! The URL in a Location: a reference, resolved against the URL of the request (RFC 3986, 5).

use hyper::Uri;

/// The URL of a reference in the response for `path_and_query` of this server; `None` if it is not an HTTP URL.
pub fn resolve(server: &Uri, path_and_query: &str, reference: &str) -> Option<Uri> {
    let reference = reference.trim().split('#').next().unwrap_or_default();
    if let Some(rest) = reference.strip_prefix("//") {
        return format!("{}://{rest}", server.scheme_str()?).parse().ok();
    }
    let has_scheme = reference.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
    if has_scheme {
        return reference.parse().ok().filter(|url: &Uri| url.scheme().is_some());
    }
    let path = path_and_query.split('?').next().unwrap_or_default();
    let (reference, query) = match reference.split_once('?') {
        Some((reference, query)) => (reference, format!("?{query}")),
        None => (reference, String::new()),
    };
    let joined = match reference {
        "" => path.to_owned(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("{}{relative}", &path[..=path.rfind('/')?]),
    };
    let mut parts = server.clone().into_parts();
    parts.path_and_query = Some(format!("{}{query}", without_dots(&joined)).parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// A path without its segments `.` and `..` (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_as_browsers_do() {
        let server: Uri = "http://origin:8080/pub".parse().expect("a valid URL");
        let resolved = |reference| {
            resolve(&server, "/pub/a/b?x=1", reference)
                .map(|url| url.to_string())
                .unwrap_or_default()
        };
        for (reference, url) in [
            ("/c", "http://origin:8080/c"),
            ("c", "http://origin:8080/pub/a/c"),
            ("../c?y#z", "http://origin:8080/pub/c?y"),
            ("../../../../c", "http://origin:8080/c"),
            (".", "http://origin:8080/pub/a/"),
            ("?y", "http://origin:8080/pub/a/b?y"),
            ("//other/c", "http://other/c"),
            ("https://other/c", "https://other/c"),
            ("mailto:x", ""),
        ] {
            assert_eq!(resolved(reference), url, "{reference}");
        }
    }
}
