//! Any file server with the profile `plain`: the rules of HTTP for shared caches apply.

use image_cache_tests::http::{Origin, Request, reply, reply_with_file, write_head};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes};
use std::io::Write;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const PLAIN: [&str; 2] = ["--profile", "plain"];

/// A server of one file under any path, with these headers; it supports If-None-Match.
fn server(
    image: &[u8],
    headers: &'static [(&'static str, &'static str)],
) -> (Origin, Arc<Mutex<Vec<u8>>>) {
    let image = Arc::new(Mutex::new(image.to_vec()));
    let served = image.clone();
    let origin = Origin::new(move |request: &Request, output| {
        let image = served.lock().map_err(|_| std::io::Error::other("poisoned"))?.clone();
        let etag = format!("\"{}\"", image_cache_tests::md5_hex(&image));
        let mut headers = headers.to_vec();
        if headers.iter().any(|(name, _)| *name == "ETag") {
            headers.retain(|(name, _)| *name != "ETag");
            headers.push(("ETag", etag.as_str()));
        }
        if request.header("if-none-match") == Some(etag.as_str()) {
            return write_head(output, "304 Not Modified", &headers, None);
        }
        reply_with_file(request, output, &headers, &image)
    });
    (origin, image)
}

#[test]
fn a_fresh_response_is_served_without_asking_the_origin() -> Tested {
    let image = bytes(1, 100_000);
    let headers = &[
        ("Cache-Control", "max-age=600"),
        ("ETag", ""),
        ("Last-Modified", DATE),
        ("Content-Type", "image/x-qcow2"),
    ];
    let (origin, _) = server(&image, headers);
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a/b%20c.img?x=1")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a+b%2520c.img%3Fx%3D1"));
    let warm = served.get("/a/b%20c.img?x=1")?;
    warm.assert_is(200, "hit", &image);
    assert_eq!(
        (warm.header("last-modified"), warm.header("content-type")),
        (Some(DATE), Some("image/x-qcow2"))
    );
    assert!(warm.header("age").is_some());
    let head = served.ask("HEAD", "/a/b%20c.img?x=1", &[])?;
    assert_eq!(
        (head.status, head.cache(), head.header("content-length")),
        (200, "hit", Some("100000"))
    );
    let etag = warm.header("etag").ok_or("no ETag")?;
    let known = served.ask("GET", "/a/b%20c.img?x=1", &[("If-None-Match", etag)])?;
    assert_eq!((known.status, known.cache()), (304, "hit"));
    let known = served.ask("GET", "/a/b%20c.img?x=1", &[("If-Modified-Since", DATE)])?;
    assert_eq!(known.status, 304);
    let part = [("Range", "bytes=10-"), ("If-Range", DATE)];
    served.ask("GET", "/a/b%20c.img?x=1", &part)?.assert_is(206, "hit", &image[10..]);
    assert_eq!(origin.requests().len(), 1);
    // Another path is another image.
    served.get("/a/b c.img?x=1").err();
    served.get("/a/b%20c.img")?.assert_is(200, "miss", &image);
    Ok(())
}

#[test]
fn a_stale_response_is_served_after_the_origin_has_confirmed_it() -> Tested {
    let image = bytes(2, 100_000);
    let (origin, changed) = server(&image, &[("ETag", "")]);
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    for _ in 0..2 {
        served.get("/a")?.assert_is(200, "hit", &image);
    }
    let request = origin.requests();
    assert_eq!(request.len(), 3);
    assert!(request[1..].iter().all(|request| request.header("if-none-match").is_some()));
    // The origin has another version.
    let other = bytes(3, 100_000);
    *changed.lock().map_err(|_| "poisoned")? = other.clone();
    served.get("/a")?.assert_is(200, "miss", &other);
    assert!(served.is_cached("a"));
    served.get("/a")?.assert_is(200, "hit", &other);
    // The origin has no version any more.
    origin.respond_with(|_, output| reply(output, "404 Not Found", &[], b"gone"));
    let gone = served.get("/a")?;
    assert_eq!((gone.status, &gone.body[..]), (404, &b"gone"[..]));
    assert!(!served.has("a"));
    Ok(())
}

#[test]
fn a_client_can_force_the_revalidation_of_a_fresh_response() -> Tested {
    let image = bytes(4, 1000);
    let (origin, changed) = server(&image, &[("Cache-Control", "max-age=600"), ("ETag", "")]);
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let other = bytes(5, 1000);
    *changed.lock().map_err(|_| "poisoned")? = other.clone();
    served.get("/a")?.assert_is(200, "hit", &image);
    served.ask("GET", "/a", &[("Cache-Control", "no-cache")])?.assert_is(200, "miss", &other);
    Ok(())
}

#[test]
fn a_response_for_one_caller_is_neither_stored_nor_served_to_another() -> Tested {
    let image = bytes(6, 1000);
    let (origin, _) = server(&image, &[("Cache-Control", "max-age=600"), ("ETag", "")]);
    let served = Served::before(&origin.url(), &PLAIN);
    for personal in [("Authorization", "Basic x"), ("Cookie", "a=b"), ("Cache-Control", "no-store")]
    {
        served.ask("GET", "/a", &[personal])?.assert_is(200, "bypass", &image);
        assert!(served.is_idle() && !served.has("a"), "{personal:?}");
    }
    served.get("/a")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    served.ask("GET", "/a", &[("Authorization", "Basic x")])?.assert_is(200, "bypass", &image);

    for said in [
        ("Vary", "User-Agent"),
        ("Vary", "Accept-Encoding, *"),
        ("Cache-Control", "no-store, max-age=60"),
        ("Cache-Control", "private, max-age=60"),
        ("Set-Cookie", "a=b"),
        ("Content-Encoding", "gzip"),
        ("X-Nothing", "to check it by"),
    ] {
        let copy = image.clone();
        origin.respond_with(move |request, output| {
            let etag = if said.0 == "X-Nothing" { ("X-No", "etag") } else { ("ETag", "\"a\"") };
            reply_with_file(request, output, &[etag, said], &copy)
        });
        served.get("/b")?.assert_is(200, "bypass", &image);
        assert!(served.is_idle() && !served.has("b"), "{said:?}");
    }
    Ok(())
}

#[test]
fn a_response_without_a_detectable_end_is_not_stored() -> Tested {
    let origin = Origin::new(|_, output| {
        output.write_all(b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\n\r\nperhaps")?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    let served = Served::before(&origin.url(), &PLAIN);
    let answer = served.get("/a")?;
    assert_eq!((answer.status, answer.cache(), &answer.body[..]), (200, "bypass", &b"perhaps"[..]));
    assert!(served.is_idle() && !served.has("a"));
    Ok(())
}

#[test]
fn files_below_the_upstreams_path_are_served_by_their_relative_path() -> Tested {
    let image = bytes(7, 1000);
    let (origin, _) = server(&image, &[("ETag", "")]);
    let served = Served::before(&format!("{}/mirror/", origin.url()), &PLAIN);
    served.get("/a/b")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a+b"));
    assert_eq!(origin.requests()[0].target, "/mirror/a/b");
    assert_eq!(origin.requests()[0].header("host"), Some(&origin.url()[7..]));
    // The file of another server under the same path is another image.
    let other = bytes(8, 1000);
    let (elsewhere, _) = server(&other, &[("ETag", "")]);
    let served = Served::on(served.stop()?, &elsewhere.url(), &PLAIN);
    served.get("/a/b")?.assert_is(200, "miss", &other);
    Ok(())
}

#[test]
fn an_upstream_that_is_down_is_502_unless_stale_images_may_be_served() -> Tested {
    let image = bytes(9, 1000);
    for (stale, status) in [(false, 502), (true, 200)] {
        let (origin, _) = server(&image, &[("ETag", "")]);
        let options =
            [&PLAIN[..], if stale { &["--serve-stale-if-unreachable"] } else { &[] }].concat();
        let served = Served::before(&origin.url(), &options);
        served.get("/a")?.assert_is(200, "miss", &image);
        assert!(served.is_cached("a"));
        origin.respond_with(|_, _| Err(std::io::ErrorKind::ConnectionAborted.into()));
        origin.close_connections();
        let answer = served.get("/a")?;
        assert_eq!(answer.status, status);
        if stale {
            answer.assert_is(200, "hit", &image);
        }
    }
    Ok(())
}

#[test]
fn with_authorisation_the_origin_judges_each_request_by_the_callers_credentials() -> Tested {
    let image = bytes(10, 1000);
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output| {
        if request.header("authorization") != Some("Basic good") {
            return reply(output, "401 Unauthorized", &[("WWW-Authenticate", "Basic")], b"who?");
        }
        let headers = [("ETag", "\"a\""), ("Cache-Control", "max-age=600")];
        match request.header("if-none-match") {
            Some("\"a\"") => write_head(output, "304 Not Modified", &headers, None),
            _ => reply_with_file(request, output, &headers, &copy),
        }
    });
    let served = Served::before(&origin.url(), &[&PLAIN[..], &["--authorise", "always"]].concat());
    let good = [("Authorization", "Basic good")];
    served.ask("GET", "/a", &good)?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    served.ask("GET", "/a", &good)?.assert_is(200, "hit", &image);
    let refused = served.get("/a")?;
    assert_eq!((refused.status, &refused.body[..]), (401, &b"who?"[..]));
    assert_eq!(refused.header("www-authenticate"), Some("Basic"));
    served.ask("GET", "/a", &good)?.assert_is(200, "hit", &image);
    Ok(())
}

#[test]
fn many_clients_of_a_cold_file_cost_one_read() -> Tested {
    let image = bytes(11, 3 << 20);
    let (origin, _) = server(&image, &[("ETag", "")]);
    let served = Served::before(&origin.url(), &PLAIN);
    let mut clients: Vec<_> = (0..8).map(|_| served.client()).collect();
    for client in &mut clients {
        client.begin("GET", "/a", &[])?;
    }
    for client in &mut clients {
        let answer = client.response("GET")?;
        assert!(answer.is_complete && answer.body == image);
    }
    let reads = origin
        .requests()
        .iter()
        .filter(|request| request.header("if-none-match").is_none())
        .count();
    assert_eq!(reads, 1);
    Ok(())
}

#[test]
fn a_head_has_no_parts() -> Tested {
    let image = bytes(12, 1000);
    let (origin, _) = server(&image, &[("Cache-Control", "max-age=600"), ("ETag", "")]);
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let head = served.ask("HEAD", "/a", &[("Range", "bytes=1-2")])?;
    assert_eq!(
        (head.status, head.cache(), head.header("content-length")),
        (200, "hit", Some("1000"))
    );
    Ok(())
}

#[test]
fn a_client_says_how_old_an_image_may_be_and_whether_the_origin_may_be_asked() -> Tested {
    let image = bytes(13, 1000);
    let headers = &[("Cache-Control", "max-age=600"), ("Age", "100"), ("ETag", "")];
    let (origin, _) = server(&image, headers);
    let served = Served::before(&origin.url(), &PLAIN);
    let alone = [("Cache-Control", "only-if-cached")];
    assert_eq!(served.ask("GET", "/a", &alone)?.status, 504);
    assert!(origin.requests().is_empty());
    served.get("/a")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    served.ask("GET", "/a", &alone)?.assert_is(200, "hit", &image);
    for (control, request) in [
        ("max-age=300", 1),
        ("min-fresh=300", 1),
        ("max-age=50", 2),
        ("min-fresh=550", 3),
        ("only-if-cached, max-age=50", 3),
    ] {
        let answer = served.ask("GET", "/a", &[("Cache-Control", control)])?;
        let status = if control.starts_with("only") { 504 } else { 200 };
        assert_eq!((answer.status, origin.requests().len()), (status, request), "{control}");
    }
    Ok(())
}

#[test]
fn the_fields_of_a_304_replace_the_stored_ones() -> Tested {
    let image = bytes(14, 1000);
    let (origin, _) = server(&image, &[("Cache-Control", "max-age=600"), ("ETag", "\"a\"")]);
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    origin.respond_with(|_, output| {
        write_head(output, "304 Not Modified", &[("Cache-Control", "no-store, max-age=600")], None)
    });
    served.ask("GET", "/a", &[("Cache-Control", "no-cache")])?.assert_is(200, "hit", &image);
    origin.clear_requests();
    served.get("/a")?.assert_is(200, "hit", &image);
    assert_eq!(origin.requests().len(), 1, "it must not be stored: it is requested each time");
    Ok(())
}

#[test]
fn a_fetch_is_shared_only_by_clients_that_the_origin_serves() -> Tested {
    let image = bytes(15, 3 << 20);
    let (open, opened) = channel::<()>();
    let (opened, copy) = (Mutex::new(opened), image.clone());
    let origin = Origin::new(move |request: &Request, output| {
        if request.header("authorization") != Some("Basic good") {
            return reply(output, "401 Unauthorized", &[("WWW-Authenticate", "Basic")], b"who?");
        }
        if request.header("if-none-match") == Some("\"a\"") {
            return write_head(output, "304 Not Modified", &[("ETag", "\"a\"")], None);
        }
        write_head(output, "200 OK", &[("ETag", "\"a\"")], Some(copy.len()))?;
        output.write_all(&copy[..1 << 20])?;
        let _ = opened.lock().map(|opened| opened.recv());
        output.write_all(&copy[1 << 20..])
    });
    let served = Served::before(&origin.url(), &[&PLAIN[..], &["--authorise", "always"]].concat());
    let good = [("Authorization", "Basic good")];
    let mut clients = [served.client(), served.client()];
    for (client, cache) in clients.iter_mut().zip(["miss", "shared"]) {
        client.begin("GET", "/a", &good)?;
        let head = client.head()?;
        assert_eq!((head.status, head.cache()), (200, cache));
        client.take(1000)?;
    }
    assert_eq!(served.get("/a")?.status, 401);
    open.send(())?;
    for client in &mut clients {
        assert!(client.take(image.len() - 1000)? == image[1000..]);
    }
    let whole = |request: &&Request| {
        request.header("authorization").is_some() && request.header("if-none-match").is_none()
    };
    assert_eq!(origin.requests().iter().filter(whole).count(), 1);
    Ok(())
}

#[test]
fn a_client_that_has_the_image_being_fetched_gets_304() -> Tested {
    let image = bytes(16, 3 << 20);
    let (open, opened) = channel::<()>();
    let (opened, copy) = (Mutex::new(opened), image.clone());
    let origin = Origin::new(move |_, output| {
        write_head(output, "200 OK", &[("ETag", "\"a\"")], Some(copy.len()))?;
        output.write_all(&copy[..1 << 20])?;
        let _ = opened.lock().map(|opened| opened.recv());
        output.write_all(&copy[1 << 20..])
    });
    let served = Served::before(&origin.url(), &PLAIN);
    let mut client = served.client();
    client.begin("GET", "/a", &[])?;
    assert_eq!(client.head()?.cache(), "miss");
    client.take(1000)?;
    let known = served.ask("GET", "/a", &[("If-None-Match", "\"a\"")])?;
    assert_eq!((known.status, known.cache(), known.header("etag")), (304, "shared", Some("\"a\"")));
    open.send(())?;
    assert!(client.take(image.len() - 1000)? == image[1000..]);
    Ok(())
}
