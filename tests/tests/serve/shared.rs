//! Cold images, warm images, and many clients of one image.

use image_cache_tests::http::{Client, Glance, Origin, Request, data, reply, write_head};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes, until};
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

/// More than three blocks of the cache.
const LARGE: usize = (3 << 20) + 17;

#[test]
fn an_image_is_read_once_from_the_origin_and_then_served_from_the_cache() -> Tested {
    for size in [0, 1, 65_536, LARGE] {
        let image = bytes(1, size);
        let glance = Glance::with("a", &image);
        let origin = glance.origin();
        let served = Served::before(&origin.url(), &[]);

        let cold = served.get(&data("a"))?;
        cold.assert_is(200, "miss", &image);
        assert!(served.is_cached("a"));
        let warm = served.get(&data("a"))?;
        warm.assert_is(200, "hit", &image);
        for answer in [cold, warm] {
            assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
            assert_eq!(answer.header("content-length"), Some(size.to_string().as_str()));
            let md5 = image_cache_tests::md5_hex(&image);
            assert_eq!(answer.header("content-md5"), Some(md5.as_str()));
            assert_eq!(answer.header("etag"), Some(format!("\"{md5}\"").as_str()));
        }
        // A store cannot read the first byte of an empty image: the whole image is requested.
        assert_eq!(origin.downloads(&data("a")), if size == 0 { 2 } else { 1 });
        let temp = served.stop()?;
        assert_eq!(temp.open().hit_count("a")?, 1);
    }
    Ok(())
}

#[test]
fn other_requests_are_forwarded_unchanged() -> Tested {
    let origin = Origin::new(|request, output| {
        let headers = [("X-Method", request.method.as_str()), ("X-Target", &request.target)];
        let body = if request.method == "HEAD" { b"" } else { &request.body[..] };
        reply(output, "201 Created", &headers, body)
    });
    let served = Served::before(&origin.url(), &[]);
    let mut client = served.client();
    client.send("POST /v2/images?a=%2F HTTP/1.1\r\nHost: h\r\nX-Auth-Token: t\r\nContent-Length: 5\r\n\r\nhello")?;
    let answer = client.response("POST")?;
    assert_eq!((answer.status, &answer.body[..]), (201, &b"hello"[..]));
    assert_eq!(answer.header("x-target"), Some("/v2/images?a=%2F"));
    client.send("PATCH /v2/images/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")?;
    let answer = client.response("PATCH")?;
    assert_eq!((answer.status, &answer.body[..]), (201, &b"abc"[..]));
    let request = &origin.requests()[0];
    assert_eq!((request.header("x-auth-token"), request.header("host")), (Some("t"), Some("h")));
    // HEAD, queries and encoded paths are forwarded to Glance.
    for (method, target) in
        [("HEAD", "/v2/images/a/file"), ("GET", "/v2/images/a/file?x"), ("GET", "/")]
    {
        let answer = client.ask(method, target, &[])?;
        assert_eq!(answer.status, 201, "{method} {target}");
        assert_eq!(
            (answer.header("x-method"), answer.header("x-target")),
            (Some(method), Some(target))
        );
    }
    assert!(served.temp.names("").iter().all(|name| !name.starts_with('a')));
    Ok(())
}

/// An origin that sends a part of an image, and the rest when the test releases it.
fn gated(glance: &Glance, image: &[u8], first: usize) -> (Origin, Sender<()>) {
    let (open, opened) = channel();
    let opened = Mutex::new(opened);
    let (glance, image) = (glance.clone(), image.to_vec());
    let origin = Origin::new(move |request: &Request, output: &mut TcpStream| {
        if !request.target.ends_with("/file") || !request.is_download() {
            return glance.answer(request, output);
        }
        write_head(output, "200 OK", &[], Some(image.len()))?;
        output.write_all(&image[..first])?;
        wait(&opened);
        output.write_all(&image[first..])
    });
    (origin, open)
}

fn wait(opened: &Mutex<Receiver<()>>) {
    // The end of the test also releases it.
    let _ = opened.lock().map(|opened| opened.recv());
}

#[test]
fn many_clients_of_a_cold_image_cost_one_read_and_each_gets_its_bytes_as_they_come() -> Tested {
    let image = bytes(2, LARGE);
    let (origin, open) = gated(&Glance::with("a", &image), &image, 1 << 20);
    let served = Served::before(&origin.url(), &[]);
    let begin = |_| -> io::Result<Client> {
        let mut client = served.client();
        client.begin("GET", &data("a"), &[])?;
        Ok(client)
    };
    let mut clients = (0..8).map(begin).collect::<io::Result<Vec<_>>>()?;
    let mut origins = Vec::new();
    let mut firsts = Vec::new();
    // The origin has not sent the end yet: the client did not wait for it.
    for client in &mut clients {
        origins.push(client.head()?.cache().to_owned());
        firsts.push(client.take(100_000)?);
    }
    open.send(())?;
    for (client, first) in clients.iter_mut().zip(firsts) {
        let all = [first, client.take(LARGE - 100_000)?].concat();
        assert!(all == image);
    }
    origins.sort();
    assert_eq!(
        origins,
        ["miss", "shared", "shared", "shared", "shared", "shared", "shared", "shared"]
    );
    assert_eq!(origin.downloads(&data("a")), 1);
    Ok(())
}

#[test]
fn a_client_that_reads_nothing_delays_neither_the_others_nor_the_fetch() -> Tested {
    let image = bytes(3, 24 << 20);
    let glance = Glance::with("a", &image);
    let origin = glance.origin();
    let served = Served::before(&origin.url(), &[]);
    let mut slow = served.client();
    slow.begin("GET", &data("a"), &[])?;
    assert_eq!(slow.head()?.cache(), "miss");
    let quick = served.get(&data("a"))?;
    assert!(quick.is_complete && quick.body == image);
    assert!(served.is_cached("a"));
    assert_eq!(origin.downloads(&data("a")), 1);
    assert!(slow.take(image.len())? == image);
    Ok(())
}

#[test]
fn the_last_client_that_leaves_stops_the_fetch_unless_it_must_continue() -> Tested {
    let image = bytes(4, LARGE);
    for to_end in ["false", "true"] {
        let (origin, open) = gated(&Glance::with("a", &image), &image, 1 << 20);
        let served = Served::before(&origin.url(), &["--fetch-to-end", to_end]);
        let mut clients = [served.client(), served.client()];
        for client in &mut clients {
            client.begin("GET", &data("a"), &[])?;
            client.head()?;
            client.take(1000)?;
        }
        let [one, other] = clients;
        drop(one);
        drop(other);
        if to_end == "true" {
            open.send(())?;
            assert!(served.is_cached("a"));
            served.get(&data("a"))?.assert_is(200, "hit", &image);
        } else {
            assert!(served.is_idle(), "the fetch continues");
            assert!(!served.has("a"));
            open.send(())?;
            open.send(())?;
            served.get(&data("a"))?.assert_is(200, "miss", &image);
        }
    }
    Ok(())
}

#[test]
fn a_client_that_leaves_does_not_disturb_the_others() -> Tested {
    let image = bytes(5, LARGE);
    let (origin, open) = gated(&Glance::with("a", &image), &image, 1 << 20);
    let served = Served::before(&origin.url(), &[]);
    let mut first = served.client();
    first.begin("GET", &data("a"), &[])?;
    assert_eq!(first.head()?.cache(), "miss");
    let mut second = served.client();
    second.begin("GET", &data("a"), &[])?;
    assert_eq!(second.head()?.cache(), "shared");
    first.take(10)?;
    drop(first);
    open.send(())?;
    assert!(second.take(image.len())? == image);
    assert!(served.is_cached("a"));
    assert_eq!(origin.downloads(&data("a")), 1);
    Ok(())
}

#[test]
fn one_connection_serves_any_number_of_requests() -> Tested {
    let (small, large) = (bytes(6, 1000), bytes(7, LARGE));
    let glance = Glance::with("small", &small);
    glance.put("large", &large);
    let origin = glance.origin();
    let served = Served::before(&origin.url(), &[]);
    let mut client = served.client();
    for cache in ["miss", "hit", "hit"] {
        client.ask("GET", &data("small"), &[])?.assert_is(200, cache, &small);
        assert!(served.is_cached("small"));
        client.ask("GET", &data("large"), &[])?.assert_is(200, cache, &large);
        assert!(served.is_cached("large"));
        assert_eq!(client.ask("GET", &data("none"), &[])?.status, 404);
        assert_eq!(client.ask("GET", &data("small"), &[("Range", "bytes=1000-")])?.status, 416);
    }
    Ok(())
}

#[test]
fn a_damaged_block_is_fetched_again_within_the_same_answer() -> Tested {
    let image = bytes(8, 5 << 20);
    for (damaged, ranged) in [(0, true), (3, true), (3, false)] {
        let glance = Glance::with("a", &image);
        glance.change("a", |image| image.has_ranges = ranged);
        let origin = glance.origin();
        let served = Served::before(&origin.url(), &[]);
        served.get(&data("a"))?.assert_is(200, "miss", &image);
        assert!(served.is_cached("a"));
        let mut bad = image.clone();
        bad[damaged << 20] ^= 1;
        // In place: the file and its time do not change.
        let path = served.temp.path("a");
        let modified = std::fs::metadata(&path)?.modified()?;
        let file = std::fs::OpenOptions::new().write(true).open(&path)?;
        std::os::unix::fs::FileExt::write_all_at(&file, &bad, 0)?;
        file.set_modified(modified)?;
        drop(file);

        let answer = served.get(&data("a"))?;
        assert!(answer.is_complete && answer.body == image, "block {damaged}, ranges {ranged}");
        // Also a part of the damaged block.
        let next = served.get(&data("a"))?;
        assert!(next.is_complete && next.body == image);
        assert!(until(|| served.has("a")));
    }
    Ok(())
}

#[test]
fn a_damaged_block_that_cannot_be_fetched_again_breaks_the_answer_off() -> Tested {
    for damaged in [0, 3 << 20] {
        breaks_off_at(damaged)?;
    }
    Ok(())
}

fn breaks_off_at(damaged: usize) -> Tested {
    let image = bytes(9, 5 << 20);
    let glance = Glance::with("a", &image);
    let origin = glance.origin();
    let served = Served::before(&origin.url(), &["--authorise", "never"]);
    served.get(&data("a"))?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let file = std::fs::OpenOptions::new().write(true).open(served.temp.path("a"))?;
    let modified = file.metadata()?.modified()?;
    std::os::unix::fs::FileExt::write_all_at(&file, &[!image[damaged]], damaged as u64)?;
    file.set_modified(modified)?;
    // The image has changed: its bytes must not be mixed with those of the old one.
    glance.put("a", bytes(10, 5 << 20));
    let answer = served.get(&data("a"))?;
    assert!(!answer.is_complete);
    assert!(answer.body == image[..answer.body.len()]);
    assert!(answer.body.len() <= damaged);
    Ok(())
}
