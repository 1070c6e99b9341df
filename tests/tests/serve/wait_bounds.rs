//! The waits whose bounds are fixed: they end in time.

use image_cache_tests::http::{Origin, Request, connect, reply_with_file, write_head};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes, until};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

#[test]
fn a_directory_lock_that_another_process_holds_delays_no_client_without_a_bound() -> Tested {
    let image = bytes(21, 100_000);
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output| {
        reply_with_file(request, output, &[("ETag", "\"a\"")], &copy)
    });
    let served = Served::before(&origin.url(), &["--profile", "plain"]);
    let lock = fs::File::create(served.temp.path(".image-cache/lock"))?;
    lock.lock()?;
    let begun = Instant::now();
    for target in ["/a", "/b", "/c"] {
        assert!(served.get(target)?.body == image, "{target}");
    }
    // 30 s once, and then 1 s for each lock.
    assert!(begun.elapsed() < 5 * Duration::from_secs(40), "{:?}", begun.elapsed());
    lock.unlock()?;
    assert!(until(|| served.get("/d").is_ok_and(|it| it.body == image) && served.has("d")));
    Ok(())
}

/// Reads until the server closes the connection; the time is bounded.
fn ends_within(stream: &mut TcpStream, bound: Duration) -> Tested<Vec<u8>> {
    let (begun, mut all, mut buffer) = (Instant::now(), Vec::new(), [0; 4096]);
    stream.set_read_timeout(Some(bound))?;
    while begun.elapsed() < bound {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
        }
    }
    assert!(begun.elapsed() < bound, "{:?}", begun.elapsed());
    Ok(all)
}

#[test]
fn a_client_that_keeps_sending_after_its_response_or_has_left_by_half_is_cut_off_in_time() -> Tested
{
    let origin = Origin::new(|_: &Request, output| {
        write_head(output, "200 OK", &[], Some(1000))?;
        output.write_all(&[1; 10])?;
        std::thread::sleep(Duration::from_secs(60));
        Ok(())
    });
    let served = Served::before(&origin.url(), &["--profile", "plain"]);
    // A malformed request, with a body that never ends.
    let mut sender = connect(served.address())?;
    sender.write_all(
        b"POST /a HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 99999999999\r\n\r\n",
    )?;
    let mut reader = sender.try_clone()?;
    let sending = std::thread::spawn(move || while sender.write_all(&[7; 4096]).is_ok() {});
    let answer = ends_within(&mut reader, 5 * Duration::from_secs(10))?;
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    sending.join().map_err(|_| "the sender panicked")?;
    // A client that only reads: the upstream sends nothing more.
    let mut half = connect(served.address())?;
    half.write_all(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n")?;
    half.shutdown(Shutdown::Write)?;
    let answer = ends_within(&mut half, 5 * Duration::from_secs(10))?;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}
