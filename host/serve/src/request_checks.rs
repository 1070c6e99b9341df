//! Refuses malformed requests, whose meaning a server should not guess.

use super::body::Body;
use super::log_limit::LogLimit;
use super::response::refuse;
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode, Version, header};

/// The refusal of a malformed request.
pub fn refusal<B>(request: &Request<B>, log: &LogLimit) -> Option<Response<Body>> {
    let (status, words) = fault(request)?;
    if log.allow(words) {
        tracing::warn!(status = status.as_u16(), "a request was refused: {}", words.trim_end());
    }
    Some(refuse(status, words))
}

/// What is wrong with a request.
fn fault<B>(request: &Request<B>) -> Option<(StatusCode, &'static str)> {
    if request.method() == Method::CONNECT {
        return Some((StatusCode::METHOD_NOT_ALLOWED, "CONNECT is not supported\n"));
    }
    let bad = |words| Some((StatusCode::BAD_REQUEST, words));
    // `*` means the server itself, which is not below the upstream's URL.
    if !request.uri().path().starts_with('/') {
        return bad("the path does not begin with a slash\n");
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => bad("more than one Host\n"),
        (Some(host), None) if !is_host(host.as_bytes()) => bad("the Host is malformed\n"),
        // Health checks use HTTP/1.0, which has no Host.
        (None, None) if request.version() > Version::HTTP_10 => {
            bad("HTTP/1.1 requires a Host field\n")
        }
        _ => None,
    }
}

/// A name or an address, with an optional port.
fn is_host(value: &[u8]) -> bool {
    let authority = Authority::try_from(value).ok();
    authority.is_some_and(|it| {
        let port = it.as_str().strip_prefix(it.host()).unwrap_or_default();
        let is_port = port.is_empty() || port == ":" || it.port_u16().is_some();
        !it.host().is_empty() && is_port && !it.as_str().contains('@')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(version: Version, hosts: &[&str]) -> Option<u16> {
        let mut request = Request::builder().uri("/x").version(version);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        Some(fault(&request.body(()).ok()?)?.0.as_u16())
    }

    #[test]
    fn a_host_is_one_name_or_address_with_or_without_a_port() {
        for host in ["h", "images.example:80", "127.0.0.1:9293", "[::1]", "[::1]:9293", "h:"] {
            assert_eq!(status(Version::HTTP_11, &[host]), None, "{host}");
        }
        for host in ["", "a b", "h/x", "user@h", "h:port", "h:99999", "[::1", "h?", "h#", ":80"] {
            assert_eq!(status(Version::HTTP_11, &[host]), Some(400), "{host:?}");
        }
        assert_eq!(status(Version::HTTP_11, &["h", "h"]), Some(400));
    }

    #[test]
    fn only_http_1_0_goes_without_a_host() {
        assert_eq!(status(Version::HTTP_11, &[]), Some(400));
        assert_eq!(status(Version::HTTP_10, &[]), None);
        assert_eq!(status(Version::HTTP_10, &["a b"]), Some(400));
    }
}
