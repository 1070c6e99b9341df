//! Invalid input from clients and servers.

use image_cache_tests::http::{Glance, Origin, data, reply};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes, until};
use std::io::Write;

#[test]
fn an_id_that_is_a_path_reaches_no_file_in_any_encoding() -> Tested {
    let origin = Origin::new(|request, output| {
        reply(output, "404 Not Found", &[], request.target.as_bytes())
    });
    let served = Served::before(&origin.url(), &["--authorise", "never"]);
    let before = served.temp.names("");
    for id in [
        "..",
        ".",
        "...",
        "../../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%252f..%252fetc%252fpasswd",
        "%2e%2e",
        "..%5c..%5cetc",
        "..%c0%af..%c0%afetc",
        "%00",
        "a%00b",
        "cache.db",
        "queue",
        "incomplete",
        "invalid",
        ".image-cache",
        "queue%2fa",
        "cache.db-wal",
        "checkme",
        "%63ache.db",
        "a%2fb",
        "a//b",
        ";",
        "a;b=c",
        "a%0d%0ax",
    ] {
        let target = format!("/v2/images/{id}/file");
        let answer = served.get(&target)?;
        // The upstream decides on the target, in the same encoding.
        assert_eq!((answer.status, &answer.body[..]), (404, target.as_bytes()), "{id}");
    }
    for raw in [
        "/v2/images/\u{e4}/file",
        "/v2/images/\t/file",
        "/v2/images/a b/file",
        "no-slash",
        "http://",
    ] {
        let mut client = served.client();
        client.send(format!("GET {raw} HTTP/1.1\r\nHost: h\r\n\r\n"))?;
        let status = client.response("GET").map_or(0, |answer| answer.status);
        assert!([0, 400, 404].contains(&status), "{raw:?} was answered {status}");
    }
    assert_eq!(served.temp.names(""), before);
    Ok(())
}

#[test]
fn a_request_is_never_sent_to_a_host_that_its_client_names() -> Tested {
    let other = Origin::new(|_, output| reply(output, "200 OK", &[], b"other"));
    let origin = Origin::new(|_, output| reply(output, "200 OK", &[], b"ours"));
    let served = Served::before(&origin.url(), &[]);
    let absolute = format!("{}/x", other.url());
    for target in [absolute.as_str(), &format!("//{}/x", &other.url()[7..]), "/http://x/"] {
        let answer = served.get(target)?;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ours"[..]), "{target}");
    }
    let answer = served.ask("CONNECT", &other.url()[7..], &[])?;
    assert_eq!(answer.status, 405);
    assert!(other.requests().is_empty());
    Ok(())
}

#[test]
fn a_request_cannot_be_smuggled_behind_another() -> Tested {
    let origin = Origin::new(|_, output| reply(output, "200 OK", &[], b"fine"));
    let served = Served::before(&origin.url(), &[]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    let shapes = [
        format!(
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: {}\r\n\r\n{smuggled}",
            smuggled.len()
        ),
        format!(
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: +{}\r\n\r\n{smuggled}",
            smuggled.len()
        ),
        format!("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0x10\r\n\r\n{smuggled}"),
        format!("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n{smuggled}"),
        format!(
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        "POST /a HTTP/1.1\r\nHost: h\r\nHost: i\r\nContent-Length: 0\r\n\r\n".to_owned(),
        format!("GET /a HTTP/1.1\r\nHost: h\r\n folded: {smuggled}"),
        "GET /a HTTP/1.1\nHost: h\r\nX: a\rGET /smuggled HTTP/1.1\r\n\r\n".to_owned(),
        "GET /a HTTP/2.0\r\nHost: h\r\n\r\n".to_owned(),
    ];
    for shape in &shapes {
        let mut client = served.client();
        client.send(shape)?;
        let first = client.response("POST").map_or(0, |answer| answer.status);
        assert!([0, 400, 505].contains(&first), "{shape:?} was answered {first}");
        assert!(origin.requests().iter().all(|request| request.target != "/smuggled"), "{shape:?}");
        origin.clear_requests();
    }
    // With both lengths the chunks win, and the forwarded request has only one length.
    let mut client = served.client();
    let body = format!("0\r\n\r\n{smuggled}");
    client.send(format!(
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{body}",
        body.len()
    ))?;
    let _ = client.response("POST");
    for request in origin.requests() {
        let both = request.header("content-length").is_some()
            && request.header("transfer-encoding").is_some();
        assert!(!both && request.body.is_empty(), "{request:?}");
    }
    Ok(())
}

#[test]
fn headers_of_one_connection_stay_there() -> Tested {
    let origin = Origin::new(|_, output| {
        reply(
            output,
            "200 OK",
            &[("Connection", "x-private"), ("X-Private", "1"), ("X-Public", "2")],
            b"",
        )
    });
    let served = Served::before(&origin.url(), &[]);
    let headers = [
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "secret"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("X-Stays", "3"),
    ];
    let answer = served.ask("GET", "/x", &headers)?;
    assert_eq!((answer.header("x-private"), answer.header("x-public")), (None, Some("2")));
    let request = &origin.requests()[0];
    for hop in ["x-hop", "keep-alive", "proxy-authorization", "te", "upgrade"] {
        assert_eq!(request.header(hop), None, "{hop}");
    }
    assert_eq!(request.header("x-stays"), Some("3"));
    Ok(())
}

#[test]
fn oversized_heads_are_refused_and_the_largest_permitted_is_not() -> Tested {
    let origin = Origin::new(|_, output| reply(output, "200 OK", &[], b"fine"));
    let served = Served::before(&origin.url(), &["--max-head", "16 KiB"]);
    let large = "x".repeat(12 << 10);
    assert_eq!(served.ask("GET", "/x", &[("X-Auth-Token", &large)])?.status, 200);
    let larger = "x".repeat(32 << 10);
    let mut client = served.client();
    let _ = client.begin("GET", "/x", &[("X-Auth-Token", &larger)]);
    let status = client.response("GET").map_or(431, |answer| answer.status);
    assert_eq!(status, 431);
    let mut client = served.client();
    let _ = client.send(format!("GET /{larger} HTTP/1.1\r\nHost: h\r\n\r\n"));
    let status = client.response("GET").map_or(414, |answer| answer.status);
    assert!([414, 431].contains(&status), "{status}");
    let many: Vec<(String, String)> =
        (0..500).map(|n| (format!("X-{n}"), "1".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(served.ask("GET", "/x", &many).map_or(431, |answer| answer.status), 431);
    assert_eq!(origin.requests().len(), 1);
    Ok(())
}

#[test]
fn clients_that_dawdle_are_cut_off() -> Tested {
    let image = bytes(1, 64 << 20);
    let glance = Glance::with("a", &image);
    let origin = glance.origin();
    let served = Served::before(&origin.url(), &["--idle-timeout", "0.5", "--body-timeout", "0.5"]);
    // A header that does not end.
    let mut client = served.client();
    client.send("GET /x HTTP/1.1\r\nHost")?;
    let told = client.response("GET").map_or(408, |answer| answer.status);
    assert_eq!(told, 408);
    // A body that is not sent.
    let mut client = served.client();
    client.send("PUT /v2/images/b/file HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n123")?;
    assert_eq!(client.response("PUT")?.status, 408);
    // A response body that the client does not read: the fetch, which only this client needs, also ends.
    let mut client = served.client();
    client.begin("GET", &data("a"), &[])?;
    client.head()?;
    assert!(until(|| served.has("a") || served.temp.names("incomplete").is_empty()));
    let mut rest = 0;
    while let Ok(bytes) = client.take(1 << 20) {
        rest += bytes.len();
        if rest >= image.len() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(if rest < 2 << 20 { 1500 } else { 0 }));
    }
    assert!(rest < image.len(), "it was served nevertheless");
    Ok(())
}

#[test]
fn an_upstream_that_talks_nonsense_is_502() -> Tested {
    let glance = Glance::with("a", &bytes(1, 1000));
    let answers: [&[u8]; 6] = [
        b"what?\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"",
    ];
    for answer in answers {
        let copy = glance.clone();
        let origin = Origin::new(move |request, output| match request.target.as_str() {
            "/v2/images/a" => copy.answer(request, output),
            _ => {
                output.write_all(answer)?;
                Err(std::io::ErrorKind::ConnectionAborted.into())
            }
        });
        let served = Served::before(&origin.url(), &[]);
        for target in [data("a").as_str(), "/x"] {
            let status = served.get(target)?.status;
            assert_eq!(status, 502, "{:?}", String::from_utf8_lossy(answer));
        }
        assert!(served.is_idle() && !served.has("a"));
    }
    Ok(())
}

#[test]
fn a_record_that_is_none_serves_nothing() -> Tested {
    let image = bytes(1, 1000);
    let glance = Glance::with("a", &image);
    let origin = glance.origin();
    let served = Served::before(&origin.url(), &[]);
    served.get(&data("a"))?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    for record in ["", "[]", "{", "null", r#"{"status": 3}"#, r#"{"status": "active", "size": -1}"#]
    {
        let copy = glance.clone();
        origin.respond_with(move |request, output| match request.target.as_str() {
            "/v2/images/a" => reply(output, "200 OK", &[], record.as_bytes()),
            _ => copy.answer(request, output),
        });
        assert_eq!(served.get(&data("a"))?.status, 502, "{record}");
    }
    // A header without an end does not fill the memory.
    let copy = glance.clone();
    origin.respond_with(move |request, output| match request.target.as_str() {
        "/v2/images/a" => reply(output, "200 OK", &[], &vec![b' '; 5 << 20]),
        _ => copy.answer(request, output),
    });
    assert_eq!(served.get(&data("a"))?.status, 502);
    Ok(())
}
