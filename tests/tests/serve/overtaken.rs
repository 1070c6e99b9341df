//! Responses that were requested before another event, and arrive after it.

use image_cache_tests::http::{
    Client, Origin, Request, Response, reply, reply_with_file, write_head,
};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes, until};
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

const PLAIN: [&str; 2] = ["--profile", "plain"];

/// The first request that matches waits until the test releases it.
#[derive(Clone)]
struct Gate(Arc<Mutex<Option<Receiver<()>>>>);

impl Gate {
    fn new() -> (Gate, Sender<()>) {
        let (open, opened) = channel();
        (Gate(Arc::new(Mutex::new(Some(opened)))), open)
    }

    fn wait(&self) {
        let gate = self.0.lock().ok().and_then(|mut gate| gate.take());
        // The end of the test also releases it.
        let _ = gate.map(|gate| gate.recv());
    }
}

fn begun(served: &Served, target: &str, headers: &[(&str, &str)]) -> io::Result<Client> {
    let mut client = served.client();
    client.begin("GET", target, headers)?;
    Ok(client)
}

fn request(origin: &Origin, is_it: impl Fn(&Request) -> bool) -> usize {
    origin.requests().iter().filter(|request| is_it(request)).count()
}

fn is_question(request: &Request) -> bool {
    request.method == "GET" && request.header("if-none-match").is_some()
}

#[track_caller]
fn was_asked_for(answer: &Response) {
    let status = answer.header("cache-status").unwrap_or_default();
    assert_ne!(
        status, "image-cache; hit",
        "the replaced image is served without a request to the origin"
    );
}

#[test]
fn an_upload_takes_effect_although_a_confirmation_requested_before_it_arrives_after_it() -> Tested {
    let image = bytes(1, 1000);
    let (gate, open) = Gate::new();
    let copy = image.clone();
    let origin = Origin::new(move |request: &Request, output: &mut TcpStream| {
        let fields = [("ETag", "\"a\""), ("Cache-Control", "max-age=600")];
        match request.method.as_str() {
            "GET" if is_question(request) => {
                gate.wait();
                write_head(output, "304 Not Modified", &fields, None)
            }
            "GET" => reply_with_file(request, output, &fields, &copy),
            _ => reply(output, "201 Created", &[], b""),
        }
    });
    let served = Served::before(&origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let mut early = begun(&served, "/a", &[("Cache-Control", "no-cache")])?;
    assert!(until(|| request(&origin, is_question) == 1));
    assert_eq!(served.ask("PUT", "/a", &[])?.status, 201);
    open.send(())?;
    early.response("GET")?.assert_is(200, "hit", &image);
    let late = served.get("/a")?;
    late.assert_is(200, "hit", &image);
    was_asked_for(&late);
    assert_eq!(request(&origin, is_question), 2);
    // This response was requested after the upload, so it is valid.
    assert_eq!(served.get("/a")?.header("cache-status"), Some("image-cache; hit"));
    Ok(())
}

#[test]
fn an_upload_takes_effect_although_a_file_requested_before_it_arrives_after_it() -> Tested {
    let (old, new) = (bytes(2, 1000), bytes(3, 1000));
    let (gate, open) = Gate::new();
    let current = Arc::new(Mutex::new(("\"old\"", old.clone())));
    let theirs = Arc::clone(&current);
    let origin = Origin::new(move |request: &Request, output: &mut TcpStream| {
        let (etag, image) = theirs.lock().map_err(|_| io::Error::other("poisoned"))?.clone();
        let fields = [("ETag", etag), ("Cache-Control", "max-age=600")];
        if request.method != "GET" {
            return reply(output, "201 Created", &[], b"");
        }
        gate.wait();
        match request.header("if-none-match") == Some(etag) {
            true => write_head(output, "304 Not Modified", &fields, None),
            false => reply_with_file(request, output, &fields, &image),
        }
    });
    let served = Served::before(&origin.url(), &PLAIN);
    let mut early = begun(&served, "/a", &[])?;
    assert!(until(|| request(&origin, Request::is_download) == 1));
    *current.lock().map_err(|_| "poisoned")? = ("\"new\"", new.clone());
    assert_eq!(served.ask("PUT", "/a", &[])?.status, 201);
    open.send(())?;
    early.response("GET")?.assert_is(200, "miss", &old);
    assert!(served.is_cached("a"));
    let late = served.get("/a")?;
    was_asked_for(&late);
    assert!(late.is_complete && late.body == new);
    Ok(())
}

/// The content of the origin, and its permissions: everybody may have the old version, only Alice the new one.
struct Versions {
    images: [Vec<u8>; 2],
    is_new: Arc<AtomicBool>,
}

const ALWAYS: [&str; 4] = ["--profile", "plain", "--authorise", "always"];
const ALICE: [(&str, &str); 1] = [("Authorization", "Basic alice")];
const BOB: [(&str, &str); 1] = [("Authorization", "Basic bob")];
const HALF: usize = 1 << 20;

impl Versions {
    fn new() -> Versions {
        let images = [bytes(4, 2 * HALF), bytes(5, 2 * HALF)];
        Versions { images, is_new: Arc::default() }
    }

    /// Delays the response to Bob's request, and the second half of each version.
    fn origin(&self, to_bob: Gate, halves: [Gate; 2]) -> Origin {
        let (images, is_new) = (self.images.clone(), Arc::clone(&self.is_new));
        Origin::new(move |request: &Request, output: &mut TcpStream| {
            let version = usize::from(is_new.load(Ordering::SeqCst));
            let etag = ["\"old\"", "\"new\""][version];
            if request.header("authorization") != Some("Basic alice") && version == 1 {
                return reply(output, "403 Forbidden", &[], b"not for you");
            }
            if request.header("if-none-match") == Some(etag) {
                to_bob.wait();
                return write_head(output, "304 Not Modified", &[("ETag", etag)], None);
            }
            write_head(output, "200 OK", &[("ETag", etag)], Some(2 * HALF))?;
            output.write_all(&images[version][..HALF])?;
            halves[version].wait();
            output.write_all(&images[version][HALF..])
        })
    }
}

#[test]
fn an_authorisation_of_one_version_does_not_show_a_client_the_next_one_while_that_is_fetched()
-> Tested {
    let versions = Versions::new();
    let [old, new] = &versions.images;
    let ((to_bob, answer_bob), (first, end_first), (second, end_second)) =
        (Gate::new(), Gate::new(), Gate::new());
    let origin = versions.origin(to_bob, [first, second]);
    let served = Served::before(&origin.url(), &ALWAYS);
    let mut alice = begun(&served, "/a", &ALICE)?;
    assert_eq!((alice.head()?.cache(), alice.take(1000)?), ("miss", old[..1000].to_vec()));
    let mut bob = begun(&served, "/a", &BOB)?;
    assert!(until(|| request(&origin, is_question) == 1));
    versions.is_new.store(true, Ordering::SeqCst);
    end_first.send(())?;
    assert!(alice.take(old.len() - 1000)? == old[1000..] && served.is_cached("a"));
    let mut again = begun(&served, "/a", &ALICE)?;
    assert_eq!((again.head()?.cache(), again.take(1000)?), ("miss", new[..1000].to_vec()));
    answer_bob.send(())?;
    bob.response("GET")?.assert_is(403, "bypass", b"not for you");
    end_second.send(())?;
    assert!(again.take(new.len() - 1000)? == new[1000..]);
    Ok(())
}

#[test]
fn an_authorisation_of_one_version_does_not_show_a_client_the_next_one_that_is_cached() -> Tested {
    let versions = Versions::new();
    let [old, new] = &versions.images;
    let (to_bob, answer_bob) = Gate::new();
    // Only Bob's request is delayed.
    let origin = versions.origin(to_bob, [Gate::new().0, Gate::new().0]);
    let served = Served::before(&origin.url(), &ALWAYS);
    served.ask("GET", "/a", &ALICE)?.assert_is(200, "miss", old);
    assert!(served.is_cached("a"));
    let mut bob = begun(&served, "/a", &BOB)?;
    assert!(until(|| request(&origin, is_question) == 1));
    versions.is_new.store(true, Ordering::SeqCst);
    served.ask("GET", "/a", &ALICE)?.assert_is(200, "miss", new);
    assert!(served.is_idle());
    answer_bob.send(())?;
    bob.response("GET")?.assert_is(403, "bypass", b"not for you");
    Ok(())
}
