//! Interrupted fetches: resumed if the origin still has the image, an incomplete response if not.

use image_cache_tests::http::{Glance, Origin, Request, data, reply_with_file, write_head};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes, md5_hex};
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 3_000_000;

/// An origin that closes the connection after this number of bytes of each response with an image, for `times` consecutive
/// responses.
fn brittle(glance: &Glance, portion: usize, times: usize) -> Origin {
    let (glance, left) = (glance.clone(), AtomicUsize::new(times));
    Origin::new(move |request: &Request, output: &mut TcpStream| {
        let is_byte = request.header("range") == Some("bytes=0-0");
        let is_sound = !request.target.ends_with("/file") || is_byte;
        let is_last = |left: usize| left.checked_sub(1);
        if is_sound || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_last).is_err() {
            return glance.answer(request, output);
        }
        let mut whole = Vec::new();
        capture(&glance, request, &mut whole)?;
        let body = whole.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(0) + 4;
        output.write_all(&whole[..(body + portion).min(whole.len())])?;
        Err(io::ErrorKind::ConnectionAborted.into())
    })
}

/// Glance's response.
fn capture(glance: &Glance, request: &Request, whole: &mut Vec<u8>) -> io::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let mut output = TcpStream::connect(listener.local_addr()?)?;
    let (mut input, _) = listener.accept()?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut input, &mut bytes).map(|_| bytes)
    });
    glance.answer(request, &mut output)?;
    drop(output);
    *whole = reader.join().map_err(|_| io::Error::other("it panicked"))??;
    Ok(())
}

#[test]
fn an_interrupted_fetch_is_resumed_for_all_its_clients() -> Tested {
    let image = bytes(1, SIZE);
    for has_ranges in [true, false] {
        let glance = Glance::with("a", &image);
        glance.change("a", |image| image.has_ranges = has_ranges);
        let origin = brittle(&glance, 1_000_000, if has_ranges { 2 } else { 1 });
        let served = Served::before(&origin.url(), &[]);
        let mut clients = [served.client(), served.client()];
        for client in &mut clients {
            client.begin("GET", &data("a"), &[])?;
        }
        for client in &mut clients {
            let answer = client.response("GET")?;
            assert!(answer.is_complete && answer.body == image, "ranges {has_ranges}");
        }
        assert!(served.is_cached("a"));
        let ranges: Vec<String> = origin
            .requests()
            .iter()
            .filter_map(|request| request.header("range").map(str::to_owned))
            .filter(|range| range != "bytes=0-0")
            .collect();
        if has_ranges {
            assert_eq!(ranges, ["bytes=1000000-", "bytes=2000000-"]);
        }
    }
    Ok(())
}

#[test]
fn a_fetch_is_not_resumed_with_another_image() -> Tested {
    let image = bytes(2, SIZE);
    let glance = Glance::with("a", &image);
    let origin = brittle(&glance, 1_000_000, 1);
    let other = glance.clone();
    let broken = Arc::new(AtomicUsize::new(0));
    let (seen, first) = (broken.clone(), image.clone());
    origin.respond_with(move |request, output| {
        if !request.target.ends_with("/file") || seen.fetch_add(1, Ordering::SeqCst) > 0 {
            return other.answer(request, output);
        }
        let md5 = md5_hex(&first);
        write_head(output, "200 OK", &[("Content-MD5", &md5)], Some(first.len()))?;
        output.write_all(&first[..1_000_000])?;
        other.put("a", bytes(3, SIZE));
        Err(io::ErrorKind::ConnectionAborted.into())
    });
    let served = Served::before(&origin.url(), &[]);
    let answer = served.get(&data("a"))?;
    assert!(!answer.is_complete && answer.body == image[..answer.body.len()]);
    assert!(served.is_idle() && !served.has("a"));
    assert!(broken.load(Ordering::SeqCst) >= 2, "it was not tried");
    Ok(())
}

#[test]
fn an_origin_that_dies_in_mid_body_breaks_the_answer_off_and_nothing_is_cached() -> Tested {
    let image = bytes(4, SIZE);
    let glance = Glance::with("a", &image);
    let origin = brittle(&glance, 1_000_000, 1);
    let sound = glance.clone();
    let copy = image.clone();
    origin.respond_with(move |request, output| {
        if request.target.ends_with("/file") {
            if request.header("range").is_some() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            write_head(output, "200 OK", &[], Some(copy.len()))?;
            output.write_all(&copy[..1_000_000])?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        sound.answer(request, output)
    });
    let served = Served::before(&origin.url(), &[]);
    let answer = served.get(&data("a"))?;
    assert!(!answer.is_complete && answer.body == image[..answer.body.len()]);
    assert!(served.is_idle() && !served.has("a"));
    // When the origin is back, the fetch succeeds.
    origin.respond_with(move |request, output| glance.answer(request, output));
    served.get(&data("a"))?.assert_is(200, "miss", &image);
    Ok(())
}

#[test]
fn the_wait_for_an_origin_that_sends_no_end_is_bounded() -> Tested {
    let image = bytes(5, SIZE);
    let glance = Glance::with("a", &image);
    let origin = glance.origin();
    let copy = image.clone();
    origin.respond_with(move |request, output| {
        if !request.target.ends_with("/file") {
            return glance.answer(request, output);
        }
        match request.header("range") {
            Some(_) => reply_with_file(request, output, &[], b"short"),
            None => {
                write_head(output, "200 OK", &[], Some(copy.len()))?;
                output.write_all(&copy[..1_000_000])?;
                image_cache_tests::http::wait_until_closed(output);
                Ok(())
            }
        }
    });
    let served = Served::before(&origin.url(), &["--upstream-timeout", "0.5"]);
    let answer = served.get(&data("a"))?;
    assert!(!answer.is_complete && answer.body == image[..answer.body.len()]);
    assert!(served.is_idle() && !served.has("a"));
    Ok(())
}
