//! A response for one user is not given to another user, unless HTTP permits it.

use image_cache_tests::http::{Origin, Request, reply, reply_with_file, write_head};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes};
use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::channel;

const PLAIN: [&str; 2] = ["--profile", "plain"];
const NEVER: [&str; 4] = ["--profile", "plain", "--authorise", "never"];
const ALWAYS: [&str; 4] = ["--profile", "plain", "--authorise", "always"];
const ALICE: [(&str, &str); 1] = [("Authorization", "Basic alice")];
const BOB: [(&str, &str); 1] = [("Authorization", "Basic bob")];

fn is_alice(request: &Request) -> bool {
    request.header("authorization") == Some("Basic alice")
}

#[test]
fn a_304_by_date_does_not_give_one_user_the_page_of_another() -> Tested {
    let (hers, his) = (bytes(1, 5000), bytes(2, 5000));
    let (alice, bob) = (hers.clone(), his.clone());
    let origin = Origin::new(move |request: &Request, output| {
        let (date, page) = match is_alice(request) {
            true => ("Wed, 01 Jan 2020 00:00:00 GMT", &alice),
            false => ("Tue, 01 Jan 2019 00:00:00 GMT", &bob),
        };
        match request.header("if-modified-since") {
            Some(_) if !is_alice(request) => write_head(output, "304 Not Modified", &[], None),
            _ => reply_with_file(request, output, &[("Last-Modified", date)], page),
        }
    });
    let served = Served::before(&origin.url(), &ALWAYS);
    for _ in 0..2 {
        served.ask("GET", "/home", &ALICE)?.assert_is(200, "bypass", &hers);
        served.ask("GET", "/home", &BOB)?.assert_is(200, "bypass", &his);
    }
    assert!(served.is_idle() && !served.has("home"));
    Ok(())
}

#[test]
fn a_weak_etag_does_not_prove_that_a_user_may_have_these_bytes() -> Tested {
    let (hers, his) = (bytes(3, 5000), bytes(4, 5000));
    let (alice, bob) = (hers.clone(), his.clone());
    let origin = Origin::new(move |request: &Request, output| {
        let headers = [("ETag", "W/\"same\""), ("Cache-Control", "max-age=600")];
        match request.header("if-none-match") {
            Some(_) => write_head(output, "304 Not Modified", &headers, None),
            None => reply_with_file(
                request,
                output,
                &headers,
                if is_alice(request) { &alice } else { &bob },
            ),
        }
    });
    let served = Served::before(&origin.url(), &ALWAYS);
    served.ask("GET", "/home", &ALICE)?.assert_is(200, "bypass", &hers);
    served.ask("GET", "/home", &BOB)?.assert_is(200, "bypass", &his);
    Ok(())
}

#[test]
fn a_404_to_one_user_does_not_take_the_image_from_others() -> Tested {
    let image = bytes(5, 5000);
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output| {
        let headers = [("ETag", "\"a\"")];
        match (is_alice(request), request.header("if-none-match")) {
            (false, _) => reply(output, "404 Not Found", &[], b"no such page"),
            (true, Some("\"a\"")) => write_head(output, "304 Not Modified", &headers, None),
            (true, _) => reply_with_file(request, output, &headers, &copy),
        }
    });
    let served = Served::before(&origin.url(), &ALWAYS);
    served.ask("GET", "/repo", &ALICE)?.assert_is(200, "miss", &image);
    assert!(served.is_cached("repo"));
    for method in ["GET", "HEAD"] {
        assert_eq!(served.ask(method, "/repo", &BOB)?.status, 404);
    }
    served.ask("GET", "/repo", &ALICE)?.assert_is(200, "hit", &image);
    Ok(())
}

#[test]
fn a_404_that_is_private_does_not_take_a_public_image_away() -> Tested {
    let image = bytes(6, 5000);
    for (control, is_kept) in [("private", true), ("max-age=1", false)] {
        let copy = image.clone();
        let origin =
            Origin::new(move |request: &Request, output| match request.header("if-none-match") {
                None => reply_with_file(request, output, &[("ETag", "\"a\"")], &copy),
                Some(_) => reply(output, "404 Not Found", &[("Cache-Control", control)], b"no"),
            });
        let served = Served::before(&origin.url(), &PLAIN);
        served.get("/a")?.assert_is(200, "miss", &image);
        assert!(served.is_cached("a"));
        assert_eq!(served.get("/a")?.status, 404);
        assert_eq!(served.has("a"), is_kept, "{control}");
    }
    Ok(())
}

#[test]
fn a_running_fetch_is_not_shared_with_later_requests_if_it_must_be_revalidated() -> Tested {
    let image = bytes(7, 3 << 20);
    let (open, opened) = channel::<()>();
    let (opened, copy) = (Mutex::new(opened), image.clone());
    let origin = Origin::new(move |request: &Request, output| {
        if request.header("x-auth-token") != Some("alice-token") {
            return reply(output, "401 Unauthorized", &[], b"who?");
        }
        let headers = [("Cache-Control", "no-cache"), ("ETag", "\"a\"")];
        write_head(output, "200 OK", &headers, Some(copy.len()))?;
        output.write_all(&copy[..1 << 20])?;
        let _ = opened.lock().map(|opened| opened.recv());
        output.write_all(&copy[1 << 20..])
    });
    let served = Served::before(&origin.url(), &NEVER);
    let mut alice = served.client();
    alice.begin("GET", "/a", &[("X-Auth-Token", "alice-token")])?;
    assert_eq!((alice.head()?.status, alice.take(1000)?), (200, image[..1000].to_vec()));
    assert_eq!(served.get("/a")?.status, 401);
    open.send(())?;
    assert!(alice.take(image.len() - 1000)? == image[1000..]);
    assert!(served.is_idle() && !served.has("a"));
    assert_eq!(served.get("/a")?.status, 401);
    Ok(())
}

#[test]
fn a_later_request_shares_a_running_fetch_only_if_that_is_fresh_or_confirmed_for_it() -> Tested {
    let image = bytes(8, 3 << 20);
    for (control, asked_again) in [("max-age=600", 0), ("no-cache", 1), ("max-age=0", 1)] {
        let (open, opened) = channel::<()>();
        let (opened, copy) = (Mutex::new(opened), image.clone());
        let origin = Origin::new(move |request: &Request, output| {
            let headers = [("Cache-Control", control), ("ETag", "\"a\"")];
            if request.header("if-none-match") == Some("\"a\"") {
                return write_head(output, "304 Not Modified", &headers, None);
            }
            write_head(output, "200 OK", &headers, Some(copy.len()))?;
            output.write_all(&copy[..1 << 20])?;
            let _ = opened.lock().map(|opened| opened.recv());
            output.write_all(&copy[1 << 20..])
        });
        let served = Served::before(&origin.url(), &NEVER);
        let mut clients = [served.client(), served.client()];
        for (client, cache) in clients.iter_mut().zip(["miss", "shared"]) {
            client.begin("GET", "/a", &[])?;
            assert_eq!(client.head()?.cache(), cache, "{control}");
        }
        open.send(())?;
        for client in &mut clients {
            assert!(client.take(image.len())? == image);
        }
        assert_eq!(origin.requests().len(), 1 + asked_again, "{control}");
    }
    Ok(())
}

#[test]
fn requests_with_credentials_of_any_kind_are_for_their_user_alone() -> Tested {
    let image = bytes(9, 1000);
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output| {
        reply_with_file(
            request,
            output,
            &[("Cache-Control", "max-age=600"), ("ETag", "\"a\"")],
            &copy,
        )
    });
    let options = [&NEVER[..], &["--personal-header", "X-Mine,X-Ours"]].concat();
    let served = Served::before(&origin.url(), &options);
    for name in [
        "Authorization",
        "Cookie",
        "X-Auth-Token",
        "X-Api-Key",
        "Private-Token",
        "X-Amz-Security-Token",
        "x-mine",
        "X-Ours",
    ] {
        let answer = served.ask("GET", "/a", &[(name, "secret")])?;
        answer.assert_is(200, "bypass", &image);
        assert!(answer.header("cache-status").is_some_and(|it| it.contains("detail=personal")));
        assert!(served.is_idle() && !served.has("a"), "{name}");
    }
    assert!(
        origin.requests().iter().all(|request| request.headers.values().any(|it| it == "secret"))
    );
    Ok(())
}

#[test]
fn a_shared_fetch_carries_only_the_documented_fields_of_its_client() -> Tested {
    let image = bytes(10, 1000);
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output| {
        reply_with_file(
            request,
            output,
            &[("Vary", "Accept, X-Else, Accept-Encoding"), ("ETag", "\"a\"")],
            &copy,
        )
    });
    let served =
        Served::before(&origin.url(), &[&NEVER[..], &["--shared-header", "X-Site"]].concat());
    let fields = [
        ("User-Agent", "curl/8"),
        ("traceparent", "00-1"),
        ("X-Site", "here"),
        ("Accept-Language", "eo"),
        ("Accept-Encoding", "gzip"),
    ];
    served.ask("GET", "/a", &fields)?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let request = &origin.requests()[0];
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!(request.header("accept-language"), None);
    for (name, value) in &fields[..3] {
        assert_eq!(request.header(&name.to_ascii_lowercase()), Some(*value), "{name}");
    }
    // A field that is only for this connection is not forwarded.
    let fields = [("traceparent", "00-2"), ("Connection", "keep-alive, traceparent")];
    served.ask("GET", "/b", &fields)?.assert_is(200, "miss", &image);
    let request = origin.requests().pop().ok_or("no request")?;
    assert_eq!((request.target.as_str(), request.header("traceparent")), ("/b", None));
    // The fetch did not carry the field on which the response varies: the response is not for clients that send the field.
    let other = served.ask("GET", "/a", &[("X-Else", "1")])?;
    other.assert_is(200, "bypass", &image);
    assert_eq!(
        origin
            .requests()
            .last()
            .and_then(|request| request.header("x-else").map(str::to_owned))
            .as_deref(),
        Some("1")
    );
    Ok(())
}

#[test]
fn a_directive_about_sharing_counts_even_if_connection_names_its_field() -> Tested {
    let image = bytes(13, 1000);
    for said in [
        ("Cache-Control", "private, max-age=600"),
        ("Vary", "User-Agent"),
        ("Set-Cookie", "a=b"),
        ("Content-Encoding", "gzip"),
    ] {
        let copy = image.clone();
        let origin = Origin::new(move |request: &Request, output| {
            let connection = format!("keep-alive, {}", said.0);
            reply_with_file(
                request,
                output,
                &[("ETag", "\"a\""), said, ("Connection", &connection)],
                &copy,
            )
        });
        let served = Served::before(&origin.url(), &PLAIN);
        served.get("/a")?.assert_is(200, "bypass", &image);
        assert!(served.is_idle() && !served.has("a"), "{said:?}");
    }
    Ok(())
}

#[test]
fn a_304_cannot_change_how_the_stored_bytes_are_to_be_read() -> Tested {
    let image = bytes(14, 1000);
    for said in [("Content-Encoding", "gzip"), ("Vary", "*"), ("Cache-Control", "private")] {
        let copy = image.clone();
        let origin =
            Origin::new(move |request: &Request, output| match request.header("if-none-match") {
                Some(_) => write_head(output, "304 Not Modified", &[("ETag", "\"a\""), said], None),
                None => reply_with_file(request, output, &[("ETag", "\"a\"")], &copy),
            });
        let served = Served::before(&origin.url(), &PLAIN);
        served.get("/a")?.assert_is(200, "miss", &image);
        assert!(served.is_cached("a"));
        for _ in 0..2 {
            let answer = served.get("/a")?;
            assert!(answer.is_complete && answer.body == image, "{said:?}");
            assert_eq!(answer.header("content-encoding"), None, "{said:?}");
        }
    }
    Ok(())
}

#[test]
fn nothing_outside_the_upstreams_path_is_asked_for() -> Tested {
    let origin = Origin::new(|_, output| reply(output, "200 OK", &[("ETag", "\"a\"")], b"secret"));
    let served = Served::before(&format!("{}/pub", origin.url()), &PLAIN);
    for target in [
        "/../private/secret",
        "/%2e%2e/private/secret",
        "/a/../../private/s2",
        "/..%2fprivate/s3",
        "/%252e%252e/private",
        "/..\\private",
        "/%c0%ae%c0%ae/private",
        "/%e0%80%ae%e0%80%ae/private",
        "/%u002e%u002e/private",
        "/..%c0%afprivate",
        "*",
    ] {
        for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
            assert_eq!(served.ask(method, target, &[])?.status, 400, "{method} {target}");
        }
    }
    assert!(origin.requests().is_empty());
    assert_eq!(served.get("/a/../b")?.status, 200);
    assert_eq!(origin.requests()[0].target, "/pub/a/../b");
    Ok(())
}

#[test]
fn an_upstream_that_is_written_otherwise_is_the_same_one() -> Tested {
    let image = bytes(11, 1000);
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output| {
        reply_with_file(
            request,
            output,
            &[("Cache-Control", "max-age=600"), ("ETag", "\"a\"")],
            &copy,
        )
    });
    let url = origin.url().replace("127.0.0.1", "localhost");
    let served = Served::before(&url, &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let served =
        Served::on(served.stop()?, &format!("{}/", url.replace("localhost", "LOCALHOST")), &PLAIN);
    served.get("/a")?.assert_is(200, "hit", &image);
    assert_eq!(origin.requests().len(), 1);
    Ok(())
}
