//! Ranges of images: cached, being fetched, and cold.

use image_cache_tests::http::{Glance, Origin, Request, data, reply_with_file, write_head};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes, md5_hex, until};
use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;

const LARGE: usize = (2 << 20) + 1000;

#[test]
fn parts_of_a_cached_image_are_served_from_the_cache() -> Tested {
    let image = bytes(1, LARGE);
    let glance = Glance::with("a", &image);
    let origin = glance.origin();
    let served = Served::before(&origin.url(), &[]);
    served.get(&data("a"))?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let last = LARGE - 1;
    let mut client = served.client();
    for (range, first, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, LARGE),
        ("bytes=1000000-2000000", 1_000_000, 2_000_001),
        ("bytes=1048576-2097151", 1 << 20, 2 << 20),
        ("bytes=2097152-", 2 << 20, LARGE),
        ("bytes=5-99999999999999999999", 5, LARGE),
        ("bytes=-1", last, LARGE),
        ("bytes=-99999999999", 0, LARGE),
    ] {
        let answer = client.ask("GET", &data("a"), &[("Range", range)])?;
        answer.assert_is(206, "hit", &image[first..end]);
        let said = format!("bytes {first}-{}/{LARGE}", end - 1);
        assert_eq!(answer.header("content-range"), Some(said.as_str()), "{range}");
    }
    for range in
        [format!("bytes={LARGE}-"), "bytes=-0".into(), "bytes=9-1".into(), "bytes=x".into()]
    {
        let answer = client.ask("GET", &data("a"), &[("Range", range.as_str())])?;
        assert_eq!(
            (answer.status, answer.body.len(), answer.is_complete),
            (416, 0, true),
            "{range}"
        );
        assert_eq!(answer.header("content-range"), Some(format!("bytes */{LARGE}").as_str()));
    }
    for range in ["bytes=0-0,2-3", "lines=1-2"] {
        client.ask("GET", &data("a"), &[("Range", range)])?.assert_is(200, "hit", &image);
    }
    assert_eq!(origin.downloads(&data("a")), 1);
    Ok(())
}

#[test]
fn a_part_is_served_only_of_the_image_that_the_client_means() -> Tested {
    let image = bytes(2, LARGE);
    let glance = Glance::with("a", &image);
    let origin = glance.origin();
    let served = Served::before(&origin.url(), &[]);
    served.get(&data("a"))?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let etag = format!("\"{}\"", md5_hex(&image));
    let ask =
        |known: &str| served.ask("GET", &data("a"), &[("Range", "bytes=7-"), ("If-Range", known)]);
    ask(&etag)?.assert_is(206, "hit", &image[7..]);
    for other in ["\"0\"", "W/\"0\"", "Sun, 06 Nov 1994 08:49:37 GMT", ""] {
        ask(other)?.assert_is(200, "hit", &image);
    }
    Ok(())
}

#[test]
fn parts_of_an_image_that_is_being_fetched_come_from_the_fetch_or_far_ahead_from_the_origin()
-> Tested {
    const SIZE: usize = 70 << 20;
    const FIRST: usize = 2 << 20;
    let image = bytes(3, SIZE);
    let glance = Glance::with("a", &image);
    let (open, opened) = channel::<()>();
    let opened = Mutex::new(opened);
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output: &mut TcpStream| {
        if !request.target.ends_with("/file") || !request.is_download() {
            return glance.answer(request, output);
        }
        write_head(output, "200 OK", &[], Some(SIZE))?;
        output.write_all(&copy[..FIRST])?;
        let _ = opened.lock().map(|opened| opened.recv());
        output.write_all(&copy[FIRST..])
    });
    let served = Served::before(&origin.url(), &[]);
    let mut whole = served.client();
    whole.begin("GET", &data("a"), &[])?;
    assert_eq!(whole.head()?.cache(), "miss");
    whole.take(FIRST - 1000)?;

    let come = served.ask("GET", &data("a"), &[("Range", "bytes=10-99")])?;
    come.assert_is(206, "shared", &image[10..100]);
    assert_eq!(come.header("content-range"), Some(format!("bytes 10-99/{SIZE}").as_str()));
    let ahead = format!("bytes={}-", SIZE - 1000);
    let ahead = served.ask("GET", &data("a"), &[("Range", ahead.as_str())])?;
    ahead.assert_is(206, "bypass", &image[SIZE - 1000..]);
    assert_eq!(served.ask("GET", &data("a"), &[("Range", "bytes=99999999999-")])?.status, 416);

    let mut waits = served.client();
    let range = format!("bytes={}-{}", FIRST + 5000, FIRST + 5999);
    waits.begin("GET", &data("a"), &[("Range", range.as_str())])?;
    assert_eq!(waits.head()?.cache(), "shared");
    open.send(())?;
    assert!(waits.take(1000)? == image[FIRST + 5000..FIRST + 6000]);
    assert!(whole.take(SIZE - FIRST + 1000)? == image[FIRST - 1000..]);
    assert_eq!(origin.downloads(&data("a")), 1);
    Ok(())
}

#[test]
fn a_part_of_a_cold_image_comes_from_the_origin_and_begins_no_fetch() -> Tested {
    let image = bytes(4, LARGE);
    let glance = Glance::with("a", &image);
    let origin = glance.origin();
    let served = Served::before(&origin.url(), &[]);
    let answer = served.ask("GET", &data("a"), &[("Range", "bytes=5-9")])?;
    answer.assert_is(206, "bypass", &image[5..10]);
    assert_eq!(origin.downloads(&data("a")), 0);
    assert!(served.is_idle() && !served.has("a"));
    Ok(())
}

#[test]
fn a_part_of_a_cold_image_has_all_of_it_fetched_where_that_is_allowed() -> Tested {
    let image = bytes(5, 6 << 20);
    for profile in ["glance", "plain"] {
        let glance = Glance::with("a", &image);
        let mut origin = glance.origin();
        if profile == "plain" {
            let copy = image.clone();
            origin = Origin::new(move |request, output| {
                reply_with_file(
                    request,
                    output,
                    &[("ETag", "\"a\""), ("Cache-Control", "max-age=60")],
                    &copy,
                )
            });
        }
        let served = Served::before(&origin.url(), &["--profile", profile, "--fetch-on-range"]);
        let part = served.ask("GET", &data("a"), &[("Range", "bytes=5-9")])?;
        assert_eq!((part.status, &part.body[..]), (206, &image[5..10]), "{profile}");
        let id = if profile == "plain" { "v2+images+a+file" } else { "a" };
        // The client that requested it has left, and the fetch continues nevertheless.
        assert!(served.is_cached(id), "{profile}");
        let next = served.ask("GET", &data("a"), &[("Range", "bytes=5000000-")])?;
        next.assert_is(206, "hit", &image[5_000_000..]);
        assert_eq!(origin.downloads(&data("a")), 1, "{profile}");
    }
    let glance = Glance::with("a", &image);
    glance.change("a", |image| image.token = Some("good"));
    let origin = glance.origin();
    let served = Served::before(&origin.url(), &["--fetch-on-range"]);
    let refused = served.ask("GET", &data("a"), &[("Range", "bytes=5-9")])?;
    assert_eq!((refused.status, &refused.body[..]), (403, &b"not yours"[..]));
    Ok(())
}

#[test]
fn parts_have_no_more_images_fetched_at_once_than_the_operator_allows() -> Tested {
    let image = bytes(6, LARGE);
    let (open, opened) = channel::<()>();
    let (opened, copy) = (Mutex::new(opened), image.clone());
    let origin = Origin::new(move |request: &Request, output| {
        let headers = [("ETag", "\"a\""), ("Cache-Control", "max-age=60")];
        if request.target != "/slow" || !request.is_download() {
            return reply_with_file(request, output, &headers, &copy);
        }
        write_head(output, "200 OK", &headers, Some(copy.len()))?;
        output.write_all(&copy[..1 << 20])?;
        let _ = opened.lock().map(|opened| opened.recv());
        output.write_all(&copy[1 << 20..])
    });
    let options = ["--profile", "plain", "--fetch-on-range", "--fetch-on-range-at-once", "1"];
    let served = Served::before(&origin.url(), &options);
    let part = [("Range", "bytes=5-9")];
    assert_eq!(served.ask("GET", "/slow", &part)?.status, 206);
    served.ask("GET", "/other", &part)?.assert_is(206, "bypass", &image[5..10]);
    open.send(())?;
    assert!(served.is_cached("slow"));
    assert!(!served.has("other"));
    // The fetch of the first image ends a moment after it is cached: until then a part is served uncached.
    let mut status = 0;
    assert!(until(|| {
        status = served.ask("GET", "/other", &part).map_or(0, |response| response.status);
        status != 206 || served.has("other")
    }));
    assert!(status == 206 && served.is_cached("other"), "{status}");
    Ok(())
}
