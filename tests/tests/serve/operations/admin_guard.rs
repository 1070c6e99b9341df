//! Web pages of other sites cannot manage the cache through an operator's browser.

use image_cache_tests::http::{GlanceOrigin, connect, read_to_close};
use image_cache_tests::serving::{Service, Setup, refused};
use image_cache_tests::{Tested, bytes, until};
use std::io::Write;

/// The status and the message of the response to a request with exactly these headers.
fn ask(service: &Service, line: &str, headers: &[(&str, &str)]) -> Tested<(u16, String)> {
    let mut stream = connect(service.admin)?;
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(stream, "{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")?;
    let answer = read_to_close(stream)?;
    Ok((answer.status, answer.text()))
}

#[test]
fn the_admin_listener_refuses_foreign_hosts_origins_and_sites() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(1, 1000));
    let service = setup.serve(&origin.url(), &["--admin-host", "cache.example"])?;
    service.manage("PUT", "/v2/cache/one")?;
    assert!(until(|| service.cached() == ["one"]));
    let port = service.admin.port();
    let (own, elsewhere) = (format!("localhost:{port}"), format!("http://localhost:{}", port ^ 1));
    let (page, https) = (format!("http://{own}"), format!("https://{own}"));
    let refused: [&[(&str, &str)]; 10] = [
        &[("Host", "evil.example")],
        &[("Host", "localhost.evil.example")],
        &[("Host", "192.0.2.1")],
        &[("Host", &own), ("Origin", "http://evil.example")],
        &[("Host", &own), ("Origin", "null")],
        &[("Host", &own), ("Origin", "")],
        &[("Host", &own), ("Origin", &elsewhere)],
        &[("Host", &own), ("Origin", "http://cache.example.evil.example")],
        &[("Host", &own), ("Sec-Fetch-Site", "cross-site")],
        &[("Host", &own), ("Sec-Fetch-Site", "same-site")],
    ];
    for headers in refused {
        for line in ["DELETE /v2/cache", "POST /v2/cache/prune", "PUT /v2/queued_images/x"] {
            let (status, words) = ask(&service, line, headers)?;
            assert_eq!(status, 403, "{line} {headers:?}");
            assert!(words.contains("--admin-host") || words.contains("Sec-Fetch-Site"), "{words}");
        }
    }
    assert_eq!(ask(&service, "GET /metrics", &[("Host", "evil.example")])?.0, 403);
    assert_eq!(ask(&service, "GET /v2/cache", &[("Host", "evil.example")])?.0, 403);
    assert_eq!((service.cached(), service.queued()), (vec!["one".to_owned()], vec![]));
    assert!(service.logs("a request to the admin listener is refused"), "{}", service.log());

    let allowed: [&[(&str, &str)]; 8] = [
        &[("Host", &own)],
        &[("Host", "127.0.0.1")],
        &[("Host", "[::1]:9294")],
        &[("Host", "CACHE.example:80")],
        &[("Host", &own), ("Origin", &page)],
        &[("Host", &own), ("Origin", &https)],
        &[("Host", &own), ("Origin", "https://cache.example")],
        &[("Host", &own), ("Sec-Fetch-Site", "same-origin")],
    ];
    for headers in allowed {
        assert_eq!(ask(&service, "POST /v2/cache/clean", headers)?.0, 200, "{headers:?}");
    }
    assert_eq!(ask(&service, "GET /healthz", &[("Host", "balancer.example")])?.0, 200);
    let cross = [("Host", own.as_str()), ("Sec-Fetch-Site", "cross-site")];
    assert_eq!(ask(&service, "GET /v2/cache", &cross)?.0, 200, "a link does no harm");
    Ok(())
}

#[test]
fn an_admin_host_with_a_scheme_is_refused() -> Tested {
    let setup = Setup::new();
    for host in ["http://cache.example", "cache.example:9294", "a b"] {
        let command = setup.serving("http://127.0.0.1:9", &["--admin-host", host]);
        let (code, said) = refused(command)?;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("without scheme and port"), "{said}");
    }
    Ok(())
}
