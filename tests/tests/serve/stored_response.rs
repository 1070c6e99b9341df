//! A hit repeats the stored response: all its fields, with its freshness, and no withdrawn fields.

use image_cache_tests::http::{Glance, Origin, Request, data, reply, reply_with_file, write_head};
use image_cache_tests::serving::Served;
use image_cache_tests::{TempCache, Tested, bytes, until};
use serde_json::{Value, json};
use std::fs;

const PLAIN: [&str; 2] = ["--profile", "plain"];

/// A server of one file with these fields, which it confirms by its ETag.
fn server(image: &[u8], fields: &[(&'static str, &'static str)]) -> Origin {
    let (image, fields) = (image.to_vec(), fields.to_vec());
    Origin::new(move |request: &Request, output| match request.header("if-none-match") {
        Some("\"a\"") => write_head(output, "304 Not Modified", &fields, None),
        _ => reply_with_file(request, output, &fields, &image),
    })
}

#[test]
fn a_hit_repeats_every_field_except_connection_specific_ones() -> Tested {
    let image = bytes(1, 1000);
    let fields = [
        ("ETag", "\"a\""),
        ("Cache-Control", "max-age=600"),
        ("X-Any", "one"),
        ("X-Any", "two"),
        ("Content-Security-Policy", "default-src 'self'"),
        ("Link", "<http://mirror/a>; rel=duplicate"),
        ("X-Of-The-Connection", "x"),
        ("Connection", "keep-alive, caf\u{e9}, X-Of-The-Connection"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic"),
        ("X-Cache", "hit from elsewhere"),
        ("Cache-Status", "elsewhere; hit"),
    ];
    let origin = server(&image, &fields);
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let hit = served.get("/a")?;
    hit.assert_is(200, "hit", &image);
    assert_eq!(hit.header("x-any"), Some("one, two"));
    assert_eq!(hit.header("content-security-policy"), Some("default-src 'self'"));
    assert_eq!(hit.header("link"), Some("<http://mirror/a>; rel=duplicate"));
    assert_eq!(hit.header("cache-status"), Some("image-cache; hit"));
    assert_eq!(hit.header("via"), Some("1.1 image-cache"));
    for gone in ["x-of-the-connection", "keep-alive", "proxy-authenticate"] {
        assert_eq!(hit.header(gone), None, "{gone}");
    }
    let part = served.ask("GET", "/a", &[("Range", "bytes=0-9")])?;
    part.assert_is(206, "hit", &image[..10]);
    assert_eq!(part.header("x-any"), Some("one, two"));
    Ok(())
}

#[test]
fn a_304_updates_the_fields_of_the_stored_answer() -> Tested {
    let image = bytes(2, 1000);
    let origin = server(&image, &[("ETag", "\"a\""), ("X-Any", "old"), ("X-Kept", "kept")]);
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let fields = [("ETag", "\"a\""), ("X-Any", "new"), ("Cache-Control", "max-age=600")];
    origin.respond_with(move |_, output| write_head(output, "304 Not Modified", &fields, None));
    for status in ["image-cache; hit; fwd=stale; fwd-status=304", "image-cache; hit"] {
        let hit = served.get("/a")?;
        hit.assert_is(200, "hit", &image);
        assert_eq!((hit.header("x-any"), hit.header("x-kept")), (Some("new"), Some("kept")));
        assert_eq!(hit.header("cache-status"), Some(status));
    }
    Ok(())
}

#[test]
fn an_answer_with_more_fields_than_are_kept_passes_uncached() -> Tested {
    let image = bytes(3, 1000);
    let (many, large) = (image.clone(), "x".repeat(40_000));
    let origin = Origin::new(move |request: &Request, output| {
        let mut fields = vec![("ETag", "\"a\""), ("Cache-Control", "max-age=600")];
        match request.target.as_str() {
            "/many" => fields.extend([("X-Any", "x"); 99]),
            _ => fields.push(("X-Any", &large)),
        }
        reply_with_file(request, output, &fields, &many)
    });
    let served = Served::before(&origin.url(), &PLAIN);
    for target in ["/many", "/large"] {
        for _ in 0..2 {
            let answer = served.get(target)?;
            answer.assert_is(200, "bypass", &image);
            let status = answer.header("cache-status").unwrap_or_default();
            assert!(status.ends_with("detail=too-many-fields"), "{status}");
        }
    }
    Ok(())
}

#[test]
fn fields_that_a_later_answer_adds_are_bounded_like_those_of_the_first() -> Tested {
    let image = bytes(5, 1000);
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output| {
        let names: Vec<String> = (0..90).map(|n| format!("X-{}-{n}", request.previous)).collect();
        let mut fields = vec![("ETag", "\"a\""), ("Cache-Control", "max-age=600")];
        // A HEAD, a 200 in spite of the condition, and a 304 bring new names each time.
        if request.method == "HEAD" || request.header("if-none-match").is_some() {
            fields.extend(names.iter().map(|name| (name.as_str(), "x")));
        }
        match (request.header("if-none-match"), request.target.as_str()) {
            (Some(_), "/confirmed") if request.method == "GET" => {
                write_head(output, "304 Not Modified", &fields, None)
            }
            _ => reply_with_file(request, output, &fields, &copy),
        }
    });
    let served = Served::before(&origin.url(), &PLAIN);
    let revalidate = [("Cache-Control", "no-cache")];
    for target in ["/confirmed", "/ignored"] {
        for method in ["HEAD", "GET"] {
            for _ in 0..60 {
                let answer = served.ask(method, target, &revalidate)?;
                assert_eq!(answer.status, 200, "{method} {target}");
                let fields = answer.headers.keys().filter(|name| name.starts_with("x-")).count();
                assert!(fields <= 200, "{method} {target}: {fields} fields");
            }
            served.get(target)?;
        }
    }
    Ok(())
}

#[test]
fn a_request_that_changes_something_has_the_stored_image_asked_for_again() -> Tested {
    for method in ["PUT", "POST", "DELETE", "PATCH", "M-SEARCH"] {
        for (field, location) in [
            ("X-No", "x"),
            ("Location", "/pub/b?x=1"),
            ("Location", "/pub/caf\u{e9}"),
            ("Content-Location", "c"),
        ] {
            let image = bytes(4, 1000);
            let copy = image.clone();
            let origin = Origin::new(move |request: &Request, output| {
                let fields = [("ETag", "\"a\""), ("Cache-Control", "max-age=600")];
                match (request.method.as_str(), request.header("if-none-match")) {
                    ("GET", Some(_)) => write_head(output, "304 Not Modified", &fields, None),
                    ("GET", None) => reply_with_file(request, output, &fields, &copy),
                    _ => reply(output, "201 Created", &[(field, location)], b""),
                }
            });
            let served = Served::before(&format!("{}/pub", origin.url()), &PLAIN);
            let all = ["/a", "/b?x=1", "/c", "/caf%C3%A9"];
            for target in all {
                served.get(target)?.assert_is(200, "miss", &image);
            }
            assert!(served.is_cached("c") && served.is_cached("caf%25C3%25A9"));
            let changed = served.ask(method, "/a", &[])?;
            assert_eq!(changed.status, 201);
            let named = match location {
                "/pub/b?x=1" => vec!["/a", "/b?x=1"],
                "c" => vec!["/a", "/c"],
                "x" => vec!["/a"],
                _ => vec!["/a", "/caf%C3%A9"],
            };
            for target in all {
                let hit = served.get(target)?;
                hit.assert_is(200, "hit", &image);
                let is_asked = hit.header("cache-status") != Some("image-cache; hit");
                assert_eq!(is_asked, named.contains(&target), "{method} {field} {target}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_request_that_was_refused_changes_nothing() -> Tested {
    let image = bytes(5, 1000);
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output| match request.method.as_str() {
        "GET" => reply_with_file(
            request,
            output,
            &[("ETag", "\"a\""), ("Cache-Control", "max-age=600")],
            &copy,
        ),
        _ => reply(output, "403 Forbidden", &[], b""),
    });
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    assert_eq!(served.ask("DELETE", "/a", &[])?.status, 403);
    assert_eq!(served.get("/a")?.header("cache-status"), Some("image-cache; hit"));
    Ok(())
}

#[test]
fn no_option_permits_serving_stale_a_response_that_forbids_it() -> Tested {
    let image = bytes(6, 1000);
    for (control, status) in [
        ("max-age=0", 200),
        ("no-cache", 502),
        ("max-age=0, must-revalidate", 502),
        ("max-age=0, Proxy-Revalidate", 502),
        ("s-maxage=0", 502),
    ] {
        let origin = server(&image, &[("ETag", "\"a\""), ("Cache-Control", control)]);
        let options = [&PLAIN[..], &["--serve-stale-if-unreachable"]].concat();
        let served = Served::before(&origin.url(), &options);
        served.get("/a")?.assert_is(200, "miss", &image);
        assert!(served.is_cached("a"));
        origin.respond_with(|_, _| Err(std::io::ErrorKind::ConnectionAborted.into()));
        origin.close_connections();
        assert_eq!(served.get("/a")?.status, status, "{control}");
    }
    Ok(())
}

/// Changes the stored response of an image while no service runs.
fn rewrite(temp: &TempCache, id: &str, change: impl FnOnce(&mut Value)) -> Tested {
    let path = temp.path(".image-cache/http").join(id);
    assert!(until(|| path.is_file()));
    let mut stored: Value = serde_json::from_slice(&fs::read(&path)?)?;
    change(&mut stored);
    Ok(fs::write(&path, stored.to_string())?)
}

fn filled(fields: &[(&'static str, &'static str)], image: &[u8]) -> Tested<(TempCache, Origin)> {
    let origin = server(image, fields);
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", image);
    served.get("/a")?.assert_is(200, "hit", image);
    let temp = served.stop()?;
    origin.clear_requests();
    Ok((temp, origin))
}

#[test]
fn an_answer_that_was_stored_while_the_clock_was_far_ahead_is_asked_for_again() -> Tested {
    let image = bytes(7, 1000);
    let (temp, origin) = filled(&[("ETag", "\"a\""), ("Cache-Control", "max-age=2")], &image)?;
    rewrite(&temp, "a", |stored| stored["confirmed"] = json!(4_070_908_800_u64))?;
    let served = Served::on(temp, &origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "hit", &image);
    assert_eq!(origin.requests().len(), 1, "it was considered fresh until 2099");
    Ok(())
}

#[test]
fn a_response_stored_by_older_rules_is_revalidated_before_its_next_use() -> Tested {
    let image = bytes(8, 1000);
    let (temp, origin) = filled(&[("ETag", "\"a\""), ("Cache-Control", "max-age=600")], &image)?;
    let older = |stored: &mut Value| {
        stored.as_object_mut().map(|fields| fields.remove("version"));
    };
    rewrite(&temp, "a", older)?;
    let served = Served::on(temp, &origin.url(), &PLAIN);
    for _ in 0..2 {
        served.get("/a")?.assert_is(200, "hit", &image);
    }
    assert_eq!(origin.requests().len(), 1, "once, not for each use");
    let temp = served.stop()?;
    // A response that the current rules do not permit is removed.
    rewrite(&temp, "a", |stored| {
        older(stored);
        stored["headers"] = json!([["etag", "\"a\""], ["cache-control", "Private, max-age=600"]]);
    })?;
    let served = Served::on(temp, &origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &image);
    Ok(())
}

#[test]
fn an_image_of_glance_that_was_stored_by_older_rules_is_held_against_its_record_once() -> Tested {
    let image = bytes(9, 1000);
    let never = ["--authorise", "never"];
    let glance = Glance::with("a", &image);
    let origin = glance.origin();
    let served = Served::before(&origin.url(), &never);
    served.get(&data("a"))?.assert_is(200, "miss", &image);
    served.get(&data("a"))?.assert_is(200, "hit", &image);
    let temp = served.stop()?;
    rewrite(&temp, "a", |stored| {
        stored.as_object_mut().map(|fields| fields.remove("version"));
    })?;
    origin.clear_requests();
    let served = Served::on(temp, &origin.url(), &never);
    for _ in 0..2 {
        served.get(&data("a"))?.assert_is(200, "hit", &image);
    }
    let request: Vec<String> =
        origin.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(request, ["/v2/images/a"]);
    Ok(())
}

#[test]
fn glances_older_form_of_a_range_is_answered_as_that_range() -> Tested {
    let image = bytes(10, 1000);
    let served_by = Glance::with("a", &image).origin();
    let served = Served::before(&served_by.url(), &["--authorise", "never"]);
    served.get(&data("a"))?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let legacy = [("Content-Range", "bytes 5-9/*")];
    served.ask("GET", &data("a"), &legacy)?.assert_is(206, "hit", &image[5..10]);
    Ok(())
}

#[test]
fn a_proxy_before_glance_may_forbid_storing_an_image() -> Tested {
    let image = bytes(11, 1000);
    for control in ["No-Store", "max-age=60, PRIVATE"] {
        let (glance, copy) = (Glance::with("a", &image), image.clone());
        let origin = Origin::new(move |request: &Request, output| match request.is_download() {
            true if request.target.ends_with("/file") => {
                reply_with_file(request, output, &[("Cache-Control", control)], &copy)
            }
            _ => glance.answer(request, output),
        });
        let served = Served::before(&origin.url(), &[]);
        served.get(&data("a"))?.assert_is(200, "bypass", &image);
        assert!(served.is_idle() && !served.has("a"), "{control}");
    }
    Ok(())
}
