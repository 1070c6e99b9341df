//! No client gets an image that the origin would refuse to it, or that the origin no longer has.

use image_cache::ChecksumAlgorithm;
use image_cache_tests::http::{Glance, data, reply, write_head};
use image_cache_tests::serving::Served;
use image_cache_tests::{TempCache, Tested, bytes, digest, md5_hex, wrong_digest, wrong_md5};
use std::io::Write;
use std::time::{Duration, SystemTime};

const SIZE: usize = 100_000;

/// A service that has cached the image `a`, and its Glance.
fn warm(options: &[&str]) -> Tested<(Vec<u8>, Glance, image_cache_tests::http::Origin, Served)> {
    let image = bytes(1, SIZE);
    let glance = Glance::with("a", &image);
    let origin = glance.origin();
    let served = Served::before(&origin.url(), options);
    served.get(&data("a"))?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    origin.clear_requests();
    Ok((image, glance, origin, served))
}

#[test]
fn each_hit_is_authorised_with_the_callers_own_credentials() -> Tested {
    let (image, glance, origin, served) = warm(&[])?;
    glance.change("a", |image| image.token = Some("good"));
    served.ask("GET", &data("a"), &[("X-Auth-Token", "good")])?.assert_is(200, "hit", &image);
    let record = &origin.requests()[0];
    assert_eq!(
        (record.target.as_str(), record.header("x-auth-token")),
        ("/v2/images/a", Some("good"))
    );
    let byte = &origin.requests()[1];
    assert_eq!(
        (byte.target.as_str(), byte.header("x-auth-token")),
        (data("a").as_str(), Some("good"))
    );
    assert_eq!(byte.header("range"), Some("bytes=0-0"));
    // A refusal has Glance's own message, and the image stays for other clients.
    for token in [&[("X-Auth-Token", "bad")][..], &[]] {
        let refused = served.ask("GET", &data("a"), token)?;
        assert_eq!((refused.status, &refused.body[..]), (403, &b"not yours"[..]));
    }
    let part = [("X-Auth-Token", "bad"), ("Range", "bytes=0-9")];
    assert_eq!(served.ask("GET", &data("a"), &part)?.status, 403);
    served.ask("GET", &data("a"), &[("X-Auth-Token", "good")])?.assert_is(200, "hit", &image);
    Ok(())
}

#[test]
fn a_store_that_cannot_read_ranges_gets_a_full_request_that_ends_after_the_head() -> Tested {
    let (image, glance, origin, served) = warm(&[])?;
    glance.change("a", |image| {
        image.has_ranges = false;
        image.token = Some("good");
    });
    served.ask("GET", &data("a"), &[("X-Auth-Token", "good")])?.assert_is(200, "hit", &image);
    let ranges: Vec<bool> =
        origin.requests().iter().map(|request| request.header("range").is_some()).collect();
    assert_eq!(ranges, [false, true, false]);
    assert_eq!(served.ask("GET", &data("a"), &[])?.status, 403);
    Ok(())
}

#[test]
fn an_image_that_was_deactivated_deleted_or_replaced_is_never_served_from_the_cache() -> Tested {
    let (_, glance, _origin, served) = warm(&[])?;
    glance.change("a", |image| image.status = "deactivated");
    let refused = served.get(&data("a"))?;
    assert_eq!((refused.status, &refused.body[..]), (403, &b"deactivated"[..]));
    assert!(!served.has("a"));

    let (_, glance, _origin, served) = warm(&[])?;
    glance.remove("a");
    assert_eq!(served.get(&data("a"))?.status, 404);

    for other in [bytes(2, SIZE), bytes(3, SIZE + 1)] {
        let (_, glance, _origin, served) = warm(&[])?;
        glance.put("a", &other);
        served.get(&data("a"))?.assert_is(200, "miss", &other);
        assert!(served.is_cached("a"));
        served.get(&data("a"))?.assert_is(200, "hit", &other);
    }
    Ok(())
}

#[test]
fn requests_through_the_service_that_take_an_image_away_evict_it() -> Tested {
    for (method, target) in
        [("DELETE", "/v2/images/a"), ("DELETE", "/v2/images/%61"), ("PUT", "/v2/images/a/file")]
    {
        let (_, _, _origin, served) = warm(&["--authorise", "never"])?;
        assert_eq!(served.ask(method, target, &[])?.status, 204);
        assert!(!served.has("a"), "{method}");
    }
    let (image, _, _origin, served) = warm(&["--authorise", "never"])?;
    // A change that Glance refuses has no effect.
    assert_eq!(served.ask("DELETE", "/v2/images/b", &[])?.status, 404);
    assert_eq!(served.ask("DELETE", "/v2/images/a/file", &[])?.status, 405);
    served.get(&data("a"))?.assert_is(200, "hit", &image);
    Ok(())
}

#[test]
fn a_glance_that_is_not_to_be_asked_is_not_asked() -> Tested {
    let (image, _, origin, served) = warm(&["--authorise", "never"])?;
    served.get(&data("a"))?.assert_is(200, "hit", &image);
    served.ask("GET", &data("a"), &[("Range", "bytes=5-")])?.assert_is(206, "hit", &image[5..]);
    assert!(origin.requests().is_empty());
    Ok(())
}

#[test]
fn an_authorisation_is_remembered_for_the_same_credentials_and_image_only_where_that_is_allowed()
-> Tested {
    let (image, glance, origin, served) = warm(&["--authorise-for", "10m"])?;
    glance.put("b", &image);
    glance.change("a", |image| image.token = Some("good"));
    let good = [("X-Auth-Token", "good")];
    for _ in 0..3 {
        served.ask("GET", &data("a"), &good)?.assert_is(200, "hit", &image);
    }
    assert_eq!(origin.requests().len(), 2);
    assert_eq!(served.ask("GET", &data("a"), &[("X-Auth-Token", "bad")])?.status, 403);
    assert_eq!(served.ask("GET", &data("a"), &[("Cookie", "X-Auth-Token=good")])?.status, 403);
    origin.clear_requests();
    served.ask("GET", &data("b"), &good)?.assert_is(200, "miss", &image);
    assert_eq!(origin.requests().len(), 2);
    // An image that is removed through the service is not served any more.
    assert_eq!(served.ask("DELETE", "/v2/images/a", &good)?.status, 204);
    assert_eq!(served.ask("GET", &data("a"), &good)?.status, 404);
    Ok(())
}

#[test]
fn an_upstream_that_is_down_is_502_unless_what_is_cached_is_for_everybody() -> Tested {
    let image = bytes(1, SIZE);
    for (options, status) in [(&[][..], 502), (&["--serve-stale-if-unreachable"][..], 200)] {
        let (_, _, origin, served) = warm(options)?;
        let temp = served.stop()?;
        drop(origin);
        // No server listens on this address.
        let served = Served::on(temp, "http://127.0.0.1:1", options);
        let answer = served.get(&data("a"))?;
        assert_eq!(answer.status, status);
        if status == 200 {
            answer.assert_is(200, "hit", &image);
        }
        assert_eq!(served.get(&data("b"))?.status, 502);
        assert_eq!(served.get("/v2/images")?.status, 502);
    }
    Ok(())
}

#[test]
fn an_upstream_that_does_not_answer_is_504() -> Tested {
    let origin = image_cache_tests::http::Origin::new(|_, output| {
        image_cache_tests::http::wait_until_closed(output);
        Ok(())
    });
    let served = Served::before(&origin.url(), &["--upstream-timeout", "0.3"]);
    for target in [data("a").as_str(), "/v2/images"] {
        assert_eq!(served.get(target)?.status, 504, "{target}");
    }
    Ok(())
}

#[test]
fn bytes_that_differ_from_the_promised_ones_are_never_served_completely_or_cached() -> Tested {
    let image = bytes(1, SIZE);
    let glance = Glance::with("a", &image);
    let origin = glance.origin();
    let served = Served::before(&origin.url(), &[]);
    let cached_nothing = |what: &str| {
        assert!(served.is_idle() && !served.has("a"), "{what}");
    };
    glance.change("a", |image| image.md5 = wrong_md5(&image.bytes));
    let answer = served.get(&data("a"))?;
    assert!(!answer.is_complete && answer.body.len() < image.len());
    cached_nothing("another checksum");

    glance.put("a", &image);
    glance.change("a", |image| {
        image.os_hash =
            Some(("sha512", wrong_digest(ChecksumAlgorithm::Sha512, &image.bytes).to_string()));
    });
    let answer = served.get(&data("a"))?;
    assert!(!answer.is_complete && answer.body.len() < image.len());
    cached_nothing("another SHA-512, with the right MD5");

    // If the length differs from the record, the response is forwarded unchanged.
    glance.put("a", &image);
    let copy = glance.clone();
    origin.respond_with(move |request, output| match request.target.ends_with("/file") {
        true => reply(output, "200 OK", &[], &bytes(1, SIZE - 1)),
        false => copy.answer(request, output),
    });
    served.get(&data("a"))?.assert_is(200, "bypass", &image[..SIZE - 1]);
    cached_nothing("another length");

    // Without a length the difference is detected at the end.
    let copy = glance.clone();
    origin.respond_with(move |request, output| {
        if !request.target.ends_with("/file") {
            return copy.answer(request, output);
        }
        write_head(output, "200 OK", &[("Transfer-Encoding", "chunked")], None)?;
        let body = bytes(1, SIZE + 1);
        write!(output, "{:x}\r\n", body.len())?;
        output.write_all(&body)?;
        output.write_all(b"\r\n0\r\n\r\n")
    });
    let answer = served.get(&data("a"))?;
    assert!(!answer.is_complete);
    cached_nothing("more bytes");
    Ok(())
}

/// The cache computes no SHA-3, and Glance's `os_hash_value` may be missing.
#[test]
fn a_hash_that_cannot_be_compared_is_ignored_and_the_others_are_verified() -> Tested {
    let image = bytes(9, SIZE);
    let sha256 = digest(ChecksumAlgorithm::Sha256, &image).to_string();
    let hashes = [
        None,
        Some(("sha256", sha256.clone())),
        Some(("sha3_512", "0".repeat(128))),
        Some(("sha512", sha256)),
        Some(("sha512", String::new())),
    ];
    for hash in hashes {
        let glance = Glance::with("a", &image);
        glance.change("a", |image| image.os_hash.clone_from(&hash));
        let origin = glance.origin();
        let served = Served::before(&origin.url(), &[]);
        for status in ["miss", "hit"] {
            served.get(&data("a"))?.assert_is(200, status, &image);
        }
        let served = Served::before(&origin.url(), &[]);
        glance.change("a", |image| image.md5 = wrong_md5(&image.bytes));
        assert!(!served.get(&data("a"))?.is_complete, "{hash:?}");
    }
    Ok(())
}

#[test]
fn responses_without_a_whole_image_are_never_cached() -> Tested {
    let image = bytes(1, SIZE);
    for status in [
        "204 No Content",
        "206 Partial Content",
        "404 Not Found",
        "500 Internal Server Error",
        "300 Multiple Choices",
    ] {
        let glance = Glance::with("a", &image);
        let origin = glance.origin();
        let image = image.clone();
        origin.respond_with(move |request, output| match request.target.ends_with("/file") {
            true if status.starts_with("204") => write_head(output, status, &[], None),
            true => reply(output, status, &[], &image),
            false => glance.answer(request, output),
        });
        let served = Served::before(&origin.url(), &[]);
        let answer = served.get(&data("a"))?;
        assert_eq!((answer.status.to_string().as_str(), answer.cache()), (&status[..3], "bypass"));
        assert!(served.is_idle() && !served.has("a"), "{status}");
    }
    Ok(())
}

#[test]
fn a_redirect_is_forwarded_and_never_followed() -> Tested {
    let elsewhere = Glance::with("a", &bytes(1, SIZE)).origin();
    let target = format!("{}{}", elsewhere.url(), data("a"));
    let glance = Glance::with("a", &bytes(1, SIZE));
    let origin = glance.origin();
    let copy = target.clone();
    origin.respond_with(move |request, output| match request.target.as_str() {
        "/v2/images/a" => glance.answer(request, output),
        _ => reply(output, "302 Found", &[("Location", &copy)], b""),
    });
    let served = Served::before(&origin.url(), &[]);
    let answer = served.ask("GET", &data("a"), &[("X-Auth-Token", "secret")])?;
    assert_eq!((answer.status, answer.header("location")), (302, Some(target.as_str())));
    let answer = served.get("/v2/images")?;
    assert_eq!(answer.status, 302);
    assert!(elsewhere.requests().is_empty());
    Ok(())
}

#[test]
fn an_image_from_another_program_is_served_if_its_checksum_is_that_of_the_record() -> Tested {
    let (right, wrong) = (bytes(1, SIZE), bytes(2, SIZE));
    let glance = Glance::with("right", &right);
    glance.put("wrong", &right);
    let origin = glance.origin();
    let temp = TempCache::new("sqlite");
    let cache = temp.open();
    image_cache_tests::fill(&cache, "right", &right);
    image_cache_tests::fill(&cache, "wrong", &wrong);
    drop(cache);
    let served = Served::on(temp, &origin.url(), &[]);
    let answer = served.get(&data("right"))?;
    answer.assert_is(200, "hit", &right);
    assert_eq!(answer.header("content-md5"), Some(md5_hex(&right).as_str()));
    served.get(&data("wrong"))?.assert_is(200, "miss", &right);
    Ok(())
}

#[test]
fn a_stored_response_survives_a_restart_and_is_never_used_for_another_image() -> Tested {
    let (image, _, origin, served) = warm(&["--authorise", "never"])?;
    let temp = served.stop()?;
    let served = Served::on(temp, &origin.url(), &["--authorise", "never"]);
    let answer = served.get(&data("a"))?;
    answer.assert_is(200, "hit", &image);
    let etag = answer.header("etag").ok_or("no ETag")?.to_owned();
    let temp = served.stop()?;
    // Another program replaces the file with one of the same length.
    let other = bytes(9, SIZE);
    let cache = temp.open();
    cache.delete_cached_image("a")?;
    image_cache_tests::fill(&cache, "a", &other);
    drop(cache);
    let later = SystemTime::now() + Duration::from_secs(2);
    image_cache_tests::set_times(&temp.path("a"), later, later)?;
    let served = Served::on(temp, &origin.url(), &["--authorise", "never"]);
    let part = [("Range", "bytes=1-"), ("If-Range", etag.as_str())];
    let answer = served.ask("GET", &data("a"), &part)?;
    assert_eq!((answer.status, answer.body == other), (200, true));
    assert_ne!(answer.header("etag"), Some(etag.as_str()));
    Ok(())
}

#[test]
fn a_glance_that_dies_between_record_and_data_does_not_affect_the_cached_image() -> Tested {
    for (options, status) in [(&["--serve-stale-if-unreachable"][..], 200), (&[], 502)] {
        let (image, glance, origin, served) = warm(options)?;
        origin.respond_with(move |request, output| match request.target.as_str() {
            "/v2/images/a" => glance.answer(request, output),
            _ => Err(std::io::ErrorKind::ConnectionAborted.into()),
        });
        let answer = served.get(&data("a"))?;
        assert_eq!(answer.status, status);
        if status == 200 {
            answer.assert_is(200, "hit", &image);
        }
    }
    Ok(())
}
