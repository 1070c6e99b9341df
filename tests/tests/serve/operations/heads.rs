//! Requests at the limits, and clients that get the response before they have sent the whole request.

use image_cache_tests::http::{GlanceOrigin, connect, read_to_close};
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, until};
use std::io::Write;
use std::net::SocketAddr;

/// Sends all of these bytes, and returns the status of the response.
fn told(server: SocketAddr, request: &[u8]) -> Tested<u16> {
    let mut stream = connect(server)?;
    stream.write_all(request)?;
    Ok(read_to_close(stream)?.status)
}

/// A header of this number of bytes.
fn head_of(size: usize) -> Vec<u8> {
    let begin =
        "GET /v2/images/nosuch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: ";
    let fill = "x".repeat(size - begin.len() - 4);
    format!("{begin}{fill}\r\n\r\n").into_bytes()
}

#[test]
fn a_head_of_64_kib_is_served_and_one_byte_more_is_answered_with_431() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let service = setup.serve(&origin.url(), &[])?;
    for server in [service.clients, service.admin] {
        assert_eq!(told(server, &head_of(60 * 1024))?, 404);
        assert_eq!(told(server, &head_of(64 * 1024))?, 404);
        assert_eq!(told(server, &head_of(64 * 1024 + 1))?, 431);
        // A client that continues to send also gets the response.
        assert_eq!(told(server, &head_of(4 << 20))?, 431);
    }
    let logged = || service.log().matches("head is too large").count();
    assert!(until(|| logged() == 2), "once for each listener: {}", service.log());
    Ok(())
}

#[test]
fn a_request_of_http_1_1_has_one_host_and_one_of_http_1_0_needs_none() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let service = setup.serve(&origin.url(), &[])?;
    for (version, hosts, status) in [
        ("1.1", "Host: images.example\r\n", 404),
        ("1.1", "Host: [::1]:9293\r\n", 404),
        ("1.0", "", 404),
        ("1.0", "Host: x\r\n", 404),
        ("1.1", "", 400),
        ("1.1", "Host:\r\n", 400),
        ("1.1", "Host: a b\r\n", 400),
        ("1.1", "Host: a/b\r\n", 400),
        ("1.1", "Host: u@a\r\n", 400),
        ("1.1", "Host: a:b\r\n", 400),
        ("1.1", "Host: a\r\nHost: a\r\n", 400),
        ("1.0", "Host: a b\r\n", 400),
    ] {
        let request =
            format!("GET /v2/images/nosuch HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n");
        assert_eq!(told(service.clients, request.as_bytes())?, status, "{version} {hosts:?}");
    }
    let health = |head: &str| told(service.admin, head.as_bytes());
    assert_eq!(health("GET /healthz HTTP/1.0\r\n\r\n")?, 200);
    assert_eq!(health("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")?, 400);
    assert!(service.logs("HTTP/1.1 requires a Host"), "{}", service.log());
    assert_eq!(service.log().matches("HTTP/1.1 requires a Host").count(), 1, "once a minute");
    Ok(())
}

#[test]
fn a_client_that_uploads_without_leave_sees_why() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let mut command = setup.serving(&origin.url(), &[]);
    command.env("IMAGE_CACHE_ADMIN_TOKEN", "swordfish");
    let service = Service::start(command)?;
    let body = bytes(1, 24 << 20);
    let head = |line: &str, host: &str| {
        format!("{line} HTTP/1.1\r\n{host}Content-Length: {}\r\n\r\n", body.len()).into_bytes()
    };
    let upload = |head: Vec<u8>| [head, body.clone()].concat();
    let host = "Host: localhost\r\n";
    assert_eq!(told(service.admin, &upload(head("PUT /v2/cache/one", host)))?, 401);
    assert_eq!(told(service.clients, &upload(head("PUT /v2/images/one/file", "")))?, 400);
    Ok(())
}
