//! No request waits for another one if the response cannot be shared, each wait is bounded, and a truncated response never looks
//! complete.

use image_cache_tests::http::{
    Client, Origin, Request, reply, reply_with_file, wait_until_closed, write_head,
};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes};
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const PLAIN: [&str; 2] = ["--profile", "plain"];

fn begun(served: &Served, clients: usize, target: &str) -> io::Result<Vec<Client>> {
    let begin = |_| {
        let mut client = served.client();
        client.begin("GET", target, &[])?;
        Ok(client)
    };
    (0..clients).map(begin).collect()
}

#[test]
fn clients_of_a_response_that_cannot_be_shared_do_not_wait_for_each_other() -> Tested {
    let image = bytes(1, 1000);
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output| {
        thread::sleep(Duration::from_secs(1));
        reply_with_file(request, output, &[("ETag", "\"a\""), ("Cache-Control", "no-store")], &copy)
    });
    let served = Served::before(&origin.url(), &PLAIN);
    let start = Instant::now();
    for mut client in begun(&served, 12, "/a")? {
        client.response("GET")?.assert_is(200, "bypass", &image);
    }
    // About 2 s; one after the other it would be 12.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    Ok(())
}

#[test]
fn clients_of_an_upstream_that_does_not_answer_get_an_error_in_time() -> Tested {
    let origin = Origin::new(|_, output| {
        wait_until_closed(output);
        Ok(())
    });
    let served =
        Served::before(&origin.url(), &[&PLAIN[..], &["--upstream-timeout", "2"]].concat());
    let start = Instant::now();
    for mut client in begun(&served, 8, "/a")? {
        assert_eq!(client.response("GET")?.status, 504);
    }
    // About 2 s; one after the other it would be 16.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    Ok(())
}

#[test]
fn many_clients_of_an_image_that_has_changed_cost_one_read_and_a_head_none() -> Tested {
    let (old, new) = (bytes(2, 1 << 20), bytes(3, 20 << 20));
    let sent = Arc::new(AtomicUsize::new(0));
    let current = Arc::new(Mutex::new(("\"old\"", old.clone())));
    let (counted, served_one) = (Arc::clone(&sent), Arc::clone(&current));
    let origin = Origin::new(move |request: &Request, output| {
        let (etag, image) = served_one.lock().map_err(|_| io::Error::other("poisoned"))?.clone();
        if request.header("if-none-match") == Some(etag) {
            return write_head(output, "304 Not Modified", &[("ETag", etag)], None);
        }
        write_head(output, "200 OK", &[("ETag", etag)], Some(image.len()))?;
        if request.method == "GET" {
            counted.fetch_add(1, Ordering::Relaxed);
            // Slowly, so that all requests arrive meanwhile.
            for piece in image.chunks(1 << 20) {
                output.write_all(piece)?;
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    });
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &old);
    assert!(served.is_cached("a"));
    *current.lock().map_err(|_| "poisoned")? = ("\"new\"", new.clone());
    let request = served.ask("HEAD", "/a", &[])?;
    assert_eq!((request.status, request.header("content-length")), (200, Some("20971520")));
    assert_eq!(sent.load(Ordering::Relaxed), 1, "a HEAD began a body");
    for mut client in begun(&served, 20, "/a")? {
        let answer = client.response("GET")?;
        assert!(answer.is_complete && answer.body == new, "{:?}", answer.headers);
    }
    assert_eq!(sent.load(Ordering::Relaxed), 2);
    Ok(())
}

#[test]
fn a_truncated_response_with_two_lengths_never_looks_complete() -> Tested {
    let image = bytes(4, 100_000);
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output| {
        let text = match request.target.as_str() {
            "/both" => "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "/twice" => "Content-Length: 100000, 100000\r\n",
            "/lines" => "Content-Length: 100000\r\nContent-Length: 100000\r\n",
            _ => "Content-Length: 100000, 5\r\n",
        };
        write!(output, "HTTP/1.1 200 OK\r\nETag: \"a\"\r\n{text}\r\n")?;
        if request.target == "/both" {
            write!(output, "{:x}\r\n", copy.len())?;
        }
        output.write_all(&copy)?;
        if request.target == "/both" {
            output.write_all(b"\r\n0\r\n\r\n")?;
        }
        Ok(())
    });
    let served = Served::before(&origin.url(), &PLAIN);
    for target in ["/both", "/twice", "/lines", "/differ"] {
        // Also without the cache.
        for fields in [&[][..], &[("Authorization", "Basic x")]] {
            let answer = served.ask("GET", target, fields)?;
            match answer.status {
                200 => assert!(answer.is_complete && answer.body == image, "{target}"),
                status => assert_eq!(status, 502, "{target}"),
            }
        }
    }
    Ok(())
}

#[test]
fn a_response_in_a_coding_without_a_detectable_end_is_refused() -> Tested {
    let origin = Origin::new(|request: &Request, output| {
        let coding = request.target.trim_start_matches('/');
        write!(output, "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nTransfer-Encoding: {coding}\r\n")?;
        output.write_all(b"Content-Length: 100000\r\n\r\nhello")?;
        Err(io::ErrorKind::ConnectionAborted.into())
    });
    let served = Served::before(&origin.url(), &PLAIN);
    for target in ["/identity", "/gzip"] {
        assert_eq!(served.get(target)?.status, 502, "{target}");
    }
    assert!(served.is_idle());
    Ok(())
}

#[test]
fn a_head_request_does_not_affect_a_running_fetch() -> Tested {
    let (old, new) = (bytes(7, 1000), bytes(8, 3 << 20));
    let current = Arc::new(Mutex::new(("\"old\"", old.clone())));
    let served_one = Arc::clone(&current);
    let origin = Origin::new(move |request: &Request, output| {
        let (etag, image) = served_one.lock().map_err(|_| io::Error::other("poisoned"))?.clone();
        write_head(output, "200 OK", &[("ETag", etag)], Some(image.len()))?;
        if request.method == "GET" {
            for piece in image.chunks(1 << 20) {
                output.write_all(piece)?;
                thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(())
    });
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &old);
    assert!(served.is_cached("a"));
    *current.lock().map_err(|_| "poisoned")? = ("\"new\"", new.clone());
    let mut client = served.client();
    client.begin("GET", "/a", &[])?;
    for _ in 0..3 {
        assert_eq!(served.ask("HEAD", "/a", &[])?.status, 200);
    }
    let answer = client.response("GET")?;
    assert!(answer.is_complete && answer.body == new);
    assert!(served.is_cached("a"));
    Ok(())
}

#[test]
fn a_chunk_that_breaks_never_looks_like_the_end() -> Tested {
    let origin = Origin::new(|_, output| {
        output.write_all(b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")?;
        Err(io::ErrorKind::ConnectionAborted.into())
    });
    let served = Served::before(&origin.url(), &PLAIN);
    for fields in [&[][..], &[("Authorization", "Basic x")]] {
        let answer = served.ask("GET", "/a", fields);
        assert!(answer.is_err() || answer.is_ok_and(|answer| !answer.is_complete));
    }
    assert!(served.is_idle() && !served.has("a"));
    Ok(())
}

#[test]
fn a_fetch_is_resumed_only_where_a_strong_validator_says_that_the_file_is_the_same() -> Tested {
    let (old, new) = (bytes(5, 3 << 20), bytes(6, 3 << 20));
    let date = ("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT");
    for fields in [&[("ETag", "W/\"same\"")][..], &[("ETag", "W/\"same\""), date]] {
        let (first, second, fields) = (old.clone(), new.clone(), fields.to_vec());
        let reads = AtomicUsize::new(0);
        let origin = Origin::new(move |request: &Request, output| {
            if reads.fetch_add(1, Ordering::Relaxed) > 0 {
                return reply_with_file(request, output, &fields, &second);
            }
            write_head(output, "200 OK", &fields, Some(first.len()))?;
            output.write_all(&first[..1 << 20])?;
            Err(io::ErrorKind::ConnectionAborted.into())
        });
        let served = Served::before(&origin.url(), &PLAIN);
        let answer = served.get("/a")?;
        let is_one_version = answer.is_complete && (answer.body == old || answer.body == new);
        assert!(is_one_version || !answer.is_complete, "two versions were mixed");
        assert!(served.is_idle());
        if served.has("a") {
            let cached = served.get("/a")?;
            assert!(cached.body == old || cached.body == new);
        }
    }
    Ok(())
}

#[test]
fn an_answer_that_stalls_past_the_cache_is_given_up() -> Tested {
    let origin = Origin::new(|_, output| {
        write_head(output, "200 OK", &[("Cache-Control", "no-store")], Some(1000))?;
        output.write_all(b"hello")?;
        wait_until_closed(output);
        Ok(())
    });
    let served =
        Served::before(&origin.url(), &[&PLAIN[..], &["--upstream-timeout", "1"]].concat());
    let start = Instant::now();
    for fields in [&[][..], &[("Authorization", "Basic x")]] {
        assert!(!served.ask("GET", "/a", fields)?.is_complete);
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    Ok(())
}

#[test]
fn an_upstream_that_takes_no_upload_and_a_record_that_stalls_are_given_up() -> Tested {
    let origin = Origin::new(|request: &Request, output| {
        if request.target == "/v2/images/a" {
            write_head(output, "200 OK", &[("Content-Type", "application/json")], Some(100))?;
            output.write_all(b"{")?;
        }
        wait_until_closed(output);
        Ok(())
    });
    let served = Served::before(&origin.url(), &["--upstream-timeout", "1"]);
    let start = Instant::now();
    assert_eq!(served.get("/v2/images/a/file")?.status, 502);
    let mut client = served.client();
    client.send("PUT /v2/images/a/file HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")?;
    assert_eq!(client.response("PUT")?.status, 504);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    Ok(())
}

#[test]
fn a_head_of_an_image_that_is_not_cached_begins_no_body() -> Tested {
    let origin = Origin::new(|request: &Request, output| match request.method.as_str() {
        "HEAD" => write_head(output, "200 OK", &[("ETag", "\"a\"")], Some(1000)),
        _ => reply(output, "500 No", &[], b""),
    });
    let served = Served::before(&origin.url(), &PLAIN);
    let answer = served.ask("HEAD", "/a", &[])?;
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("1000")));
    assert_eq!(origin.requests().len(), 1);
    Ok(())
}

#[test]
fn a_client_that_stalls_in_an_upload_gets_408_and_must_reconnect() -> Tested {
    let origin = Origin::new(|_, output| reply(output, "201 Created", &[], b""));
    for profile in ["plain", "glance"] {
        let options = ["--profile", profile, "--body-timeout", "1"];
        let served = Served::before(&origin.url(), &options);
        for (method, length, sent) in [
            ("PUT", "Content-Length: 10", "half"),
            ("POST", "Content-Length: 10", ""),
            ("PUT", "Transfer-Encoding: chunked", "4\r\nhalf\r\n"),
        ] {
            let mut client = served.client();
            client.send(format!("{method} /a HTTP/1.1\r\nHost: h\r\n{length}\r\n\r\n{sent}"))?;
            let answer = client.response(method)?;
            assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
            assert!(client.take(1).is_err(), "the connection stays open");
        }
    }
    assert!(origin.requests().is_empty());
    Ok(())
}
