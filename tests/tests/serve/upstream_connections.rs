//! An origin closes connections that the service has kept open: no client notices, and no changing request is sent twice.

use image_cache_tests::http::{
    Client, Glance, Origin, Request, Responder, data, reply_with_file, write_head,
};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Requests of each kind.
const REQUESTS: usize = 400;

/// Requests with each method that changes something.
const CHANGES: usize = 50;

const PLAIN: [&str; 2] = ["--profile", "plain"];

/// The time at which an origin closes its connections.
#[derive(Debug, Clone, Copy)]
enum Closing {
    /// When the second request arrives, without a response.
    AtSecondRequest,
    /// At any time after the first response, depending on this seed: at once, a moment later, or when the next request arrives.
    AtRandom(u64),
}

impl Closing {
    /// Both ways, the second one with a seed that is printed.
    fn all() -> [Closing; 2] {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = u64::from(now.subsec_nanos());
        println!("the seed is {seed}");
        [Closing::AtSecondRequest, Closing::AtRandom(seed)]
    }
}

/// An origin with scripted responses that closes connections by itself. It always responds to the first request on a connection.
fn closing(closing: Closing, answer: Box<Responder>) -> Origin {
    let chances = match closing {
        Closing::AtSecondRequest => Vec::new(),
        Closing::AtRandom(seed) => bytes(seed, 100_000),
    };
    let next = Mutex::new(chances.into_iter().cycle());
    let chance = move || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    let closes = || Err(io::ErrorKind::ConnectionAborted.into());
    Origin::new(move |request: &Request, output| {
        if request.previous > 0 && chance().is_none_or(|chance| chance < 64) {
            return closes();
        }
        answer(request, output)?;
        match chance() {
            Some(chance) if chance < 64 => closes(),
            // A moment later, if nothing arrives until then.
            Some(chance) if chance < 128 => {
                let moment = Duration::from_micros(1 + u64::from(chance - 64) * 100);
                output.set_read_timeout(Some(moment))
            }
            _ => output.set_read_timeout(None),
        }
    })
}

/// A server of one file under any path, which must be asked each time.
fn files(image: &[u8]) -> Box<Responder> {
    let image = image.to_vec();
    Box::new(move |request: &Request, output: &mut TcpStream| {
        let headers = [("ETag", "\"a\"")];
        match request.header("if-none-match") {
            Some("\"a\"") => write_head(output, "304 Not Modified", &headers, None),
            _ => reply_with_file(request, output, &headers, &image),
        }
    })
}

/// Counts the responses that differ from this one.
#[derive(Default)]
struct Faults(BTreeMap<String, usize>);

impl Faults {
    fn ask(
        &mut self,
        client: &mut Client,
        served: &Served,
        (method, target): (&str, &str),
        headers: &[(&str, &str)],
        expected: (u16, &[u8]),
    ) {
        let found = match client.ask(method, target, headers) {
            Ok(answer) if (answer.status, &answer.body[..]) == expected => return,
            Ok(answer) => format!("{} with {} bytes", answer.status, answer.body.len()),
            Err(error) => error.to_string(),
        };
        *self.0.entry(found).or_default() += 1;
        *client = served.client();
    }

    fn must_be_none(&self, kind: &str, closing: Closing) {
        assert!(self.0.is_empty(), "{kind}, {closing:?}: of {REQUESTS}: {:?}", self.0);
    }
}

/// A kind of request, by its number, with the expected status and body.
type Kind<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], (u16, &'a [u8]));

/// Asserts that no request of a kind fails, with a new path for each (`true`) or always the same path.
fn none_fails((kind, method, headers, expected): Kind<'_>, is_cold: bool, image: &[u8]) {
    for closes in Closing::all() {
        let origin = closing(closes, files(image));
        let served = Served::before(&origin.url(), &PLAIN);
        let (mut client, mut faults) = (served.client(), Faults::default());
        for number in 0..REQUESTS {
            let target = if is_cold { format!("/{number}") } else { "/a".to_owned() };
            faults.ask(&mut client, &served, (method, &target), headers, expected);
        }
        faults.must_be_none(kind, closes);
    }
}

#[test]
fn no_get_of_a_cold_image_fails_because_the_origin_closed_an_idle_connection() {
    let image = bytes(1, 1000);
    none_fails(("GET", "GET", &[], (200, &image)), true, &image);
}

#[test]
fn no_head_fails_because_the_origin_closed_an_idle_connection() {
    let image = bytes(2, 1000);
    none_fails(("HEAD", "HEAD", &[], (200, b"")), true, &image);
}

#[test]
fn no_part_of_a_cold_image_fails_because_the_origin_closed_an_idle_connection() {
    let image = bytes(3, 1000);
    let part = [("Range", "bytes=10-19")];
    none_fails(("Range", "GET", &part, (206, &image[10..20])), true, &image);
}

#[test]
fn no_personal_request_fails_because_the_origin_closed_an_idle_connection() {
    let image = bytes(4, 1000);
    let personal = [("Authorization", "Basic x")];
    none_fails(("Authorization", "GET", &personal, (200, &image)), false, &image);
}

#[test]
fn no_revalidation_fails_because_the_origin_closed_an_idle_connection() {
    let image = bytes(5, 1000);
    none_fails(("revalidation", "GET", &[], (200, &image)), false, &image);
}

#[test]
fn no_image_of_glance_fails_because_it_closed_an_idle_connection() {
    let image = bytes(6, 1000);
    for closes in Closing::all() {
        let glance = Glance::with("a", &image);
        let origin =
            closing(closes, Box::new(move |request, output| glance.answer(request, output)));
        let served = Served::before(&origin.url(), &[]);
        let (mut client, mut records, mut files) =
            (served.client(), Faults::default(), Faults::default());
        let record = served.get("/v2/images/a").map(|answer| answer.body).unwrap_or_default();
        for _ in 0..REQUESTS {
            let target = ("GET", "/v2/images/a");
            records.ask(&mut client, &served, target, &[], (200, &record));
            files.ask(&mut client, &served, ("GET", &data("a")), &[], (200, &image));
        }
        records.must_be_none("record", closes);
        files.must_be_none("file", closes);
    }
}

#[test]
fn a_request_that_changes_something_is_not_repeated_after_a_malformed_response() -> Tested {
    let origin = Origin::new(|_: &Request, output| {
        output.write_all(b"HTTP/1.1 200 OK\r\nbad header\r\nContent-Length: 0\r\n\r\n")
    });
    let served = Served::before(&origin.url(), &PLAIN);
    for (method, sent) in [("DELETE", 1), ("PUT", 1), ("GET", 2)] {
        origin.clear_requests();
        assert_eq!(served.ask(method, "/a", &[])?.status, 200, "{method}");
        assert_eq!(origin.requests().len(), sent, "{method}");
    }
    Ok(())
}

#[test]
fn a_request_that_changes_something_is_never_sent_twice() -> Tested {
    let image = bytes(7, 1000);
    for closes in Closing::all() {
        let origin = closing(closes, files(&image));
        let served = Served::before(&origin.url(), &PLAIN);
        // A PUT without a body may be repeated, because its effect is the same.
        for (method, body) in
            [("POST", ""), ("POST", "five!"), ("PATCH", ""), ("PATCH", "five!"), ("PUT", "five!")]
        {
            for number in 0..CHANGES {
                // Leaves a connection that may be reused.
                served.get("/kept")?;
                let (mut client, length) = (served.client(), body.len());
                client.send(format!(
                    "{method} /{length}/{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"
                ))?;
                let status = client.response(method)?.status;
                assert!([200, 502].contains(&status), "{method} of {length} bytes: {status}");
            }
        }
        let mut sent = BTreeMap::<_, usize>::new();
        for request in origin.requests().into_iter().filter(|request| request.method != "GET") {
            *sent.entry((request.method, request.target)).or_default() += 1;
        }
        sent.retain(|_, count| *count > 1);
        assert!(sent.is_empty(), "{closes:?}: sent more than once: {sent:?}");
    }
    Ok(())
}
