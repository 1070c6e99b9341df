//! What a 304 of the upstream proves, and what it changes.

use image_cache_tests::http::{Glance, Origin, Request, data, reply_with_file, write_head};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

const PLAIN: [&str; 2] = ["--profile", "plain"];
const ALWAYS: [&str; 4] = ["--profile", "plain", "--authorise", "always"];

/// A server that sends an image with these fields, and then only a 304 with those.
fn confirming(
    image: &[u8],
    first: &[(&'static str, &'static str)],
    then: &[(&'static str, &'static str)],
) -> Origin {
    let (image, first, then) = (image.to_vec(), first.to_vec(), then.to_vec());
    Origin::new(move |request: &Request, output| match request.header("if-none-match") {
        Some(_) => write_head(output, "304 Not Modified", &then, None),
        None => reply_with_file(request, output, &first, &image),
    })
}

#[test]
fn a_304_for_other_bytes_does_not_give_a_user_those_of_a_running_fetch() -> Tested {
    let (of_alice, of_bob) = (bytes(1, 3 << 20), bytes(2, 1000));
    let (open, opened) = channel::<()>();
    let (opened, slow, other) = (Mutex::new(opened), of_alice.clone(), of_bob.clone());
    let origin = Origin::new(move |request: &Request, output| {
        let is_alice = request.header("authorization") == Some("alice");
        let etag = [("ETag", if is_alice { "\"alice\"" } else { "\"bob\"" })];
        match (is_alice, request.header("if-none-match")) {
            (true, _) => {
                write_head(output, "200 OK", &etag, Some(slow.len()))?;
                output.write_all(&slow[..1 << 20])?;
                let _ = opened.lock().map(|opened| opened.recv());
                output.write_all(&slow[1 << 20..])
            }
            // A server that compares badly.
            (false, Some(_)) => write_head(output, "304 Not Modified", &etag, None),
            (false, None) => reply_with_file(request, output, &etag, &other),
        }
    });
    let served = Served::before(&origin.url(), &ALWAYS);
    let mut alice = served.client();
    alice.begin("GET", "/a", &[("Authorization", "alice")])?;
    assert_eq!(alice.head()?.status, 200);
    alice.take(1000)?;
    let bob = served.ask("GET", "/a", &[("Authorization", "bob")])?;
    assert!(bob.body == of_bob, "bob got {} bytes", bob.body.len());
    open.send(())?;
    assert!(alice.take(of_alice.len() - 1000)? == of_alice[1000..]);
    Ok(())
}

#[test]
fn a_304_that_adds_a_vary_does_not_serve_the_variant_of_others() -> Tested {
    let (german, other) = (bytes(3, 1000), bytes(4, 1000));
    let (theirs, everybodys) = (german.clone(), other.clone());
    let origin = Origin::new(move |request: &Request, output| {
        let fields = [("ETag", "\"a\""), ("Vary", "Accept-Language")];
        match (request.header("if-none-match"), request.header("accept-language")) {
            (Some(_), _) => write_head(output, "304 Not Modified", &fields, None),
            (None, Some(_)) => reply_with_file(request, output, &[("ETag", "\"de\"")], &theirs),
            (None, None) => reply_with_file(request, output, &fields[..1], &everybodys),
        }
    });
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &other);
    assert!(served.is_cached("a"));
    for _ in 0..2 {
        let german_client = served.ask("GET", "/a", &[("Accept-Language", "de")])?;
        german_client.assert_is(200, "bypass", &german);
    }
    served.get("/a")?.assert_is(200, "hit", &other);
    Ok(())
}

#[test]
fn a_304_sets_no_field_that_is_for_one_client() -> Tested {
    let image = bytes(5, 1000);
    let fields = [("ETag", "\"a\"")];
    for personal in [
        ("Set-Cookie", "a=1"),
        ("Set-Cookie2", "a=1"),
        ("Authentication-Info", "nextnonce=1"),
        ("Proxy-Authentication-Info", "nextnonce=1"),
    ] {
        let origin = confirming(&image, &fields, &[fields[0], personal, ("X-Kept", "1")]);
        let served = Served::before(&origin.url(), &PLAIN);
        served.get("/a")?.assert_is(200, "miss", &image);
        assert!(served.is_cached("a"));
        for _ in 0..2 {
            let hit = served.get("/a")?;
            hit.assert_is(200, "hit", &image);
            assert_eq!(hit.header(&personal.0.to_ascii_lowercase()), None, "{personal:?}");
            assert_eq!(hit.header("x-kept"), Some("1"));
        }
    }
    Ok(())
}

#[test]
fn an_image_that_must_be_revalidated_is_not_served_stale_in_the_glance_profile_either() -> Tested {
    let image = bytes(6, 1000);
    let controls = [
        ("max-age=600, must-revalidate", 0),
        ("max-age=0, must-revalidate", 2),
        ("s-maxage=0", 2),
        ("max-age=0", 0),
    ];
    for (control, asked) in controls {
        let (glance, copy) = (Glance::with("a", &image), image.clone());
        let origin = Origin::new(move |request: &Request, output| {
            match request.is_download() && request.target.ends_with("/file") {
                true => reply_with_file(request, output, &[("Cache-Control", control)], &copy),
                false => glance.answer(request, output),
            }
        });
        let served = Served::before(&origin.url(), &["--authorise", "never"]);
        served.get(&data("a"))?.assert_is(200, "miss", &image);
        assert!(served.is_cached("a"));
        origin.clear_requests();
        for _ in 0..2 {
            served.get(&data("a"))?.assert_is(200, "hit", &image);
        }
        assert_eq!(origin.requests().len(), asked, "{control}");
        origin.respond_with(|_, _| Err(std::io::ErrorKind::ConnectionAborted.into()));
        origin.close_connections();
        let status = if asked > 0 { 502 } else { 200 };
        assert_eq!(served.get(&data("a"))?.status, status, "{control}");
    }
    Ok(())
}

#[test]
fn an_image_whose_file_was_touched_copied_or_changed_is_fetched_again() -> Tested {
    let (image, other) = (bytes(7, 1000), bytes(8, 1000));
    let fields = [("ETag", "\"a\""), ("Cache-Control", "max-age=600")];
    for change in ["touched", "copied", "changed"] {
        let origin = confirming(&image, &fields, &fields);
        let served = Served::before(&origin.url(), &PLAIN);
        served.get("/a")?.assert_is(200, "miss", &image);
        assert!(served.is_cached("a"));
        served.get("/a")?.assert_is(200, "hit", &image);
        let path = served.temp.path("a");
        match change {
            "touched" => std::fs::File::open(&path)?.set_modified(SystemTime::now())?,
            "copied" => {
                std::fs::copy(&path, path.with_extension("new"))?;
                std::fs::rename(path.with_extension("new"), &path)?;
            }
            _ => std::fs::write(&path, &other)?,
        }
        let again = served.get("/a")?;
        assert!(again.body == image, "{change}");
        assert!(served.is_cached("a"), "{change}");
        served.get("/a")?.assert_is(200, "hit", &image);
    }
    Ok(())
}

#[test]
fn a_stale_image_that_glance_does_not_confirm_costs_one_wait_for_glance() -> Tested {
    let image = bytes(9, 1000);
    let (glance, copy) = (Glance::with("a", &image), image.clone());
    let is_hanging = Arc::new(AtomicBool::new(false));
    let hangs = Arc::clone(&is_hanging);
    let origin = Origin::new(move |request: &Request, output| {
        if !request.target.ends_with("/file") {
            return glance.answer(request, output);
        }
        if hangs.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_secs(5));
        }
        let control = [("Cache-Control", "max-age=0, must-revalidate")];
        reply_with_file(request, output, &control, &copy)
    });
    let options = ["--serve-stale-if-unreachable", "--upstream-timeout", "1s"];
    let served = Served::before(&origin.url(), &options);
    served.get(&data("a"))?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    served.get(&data("a"))?.assert_is(200, "hit", &image);
    is_hanging.store(true, Ordering::SeqCst);
    origin.clear_requests();
    assert_eq!(served.get(&data("a"))?.status, 504);
    let files = origin.requests().iter().filter(|it| it.target.ends_with("/file")).count();
    assert_eq!(files, 1, "each of them is one wait");
    assert!(served.has("a"));
    Ok(())
}
