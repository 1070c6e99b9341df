//! `driver add URL`: what a server sends is verified like a file, and each way in which it fails is named. Nothing is half written.

use super::{Operator, key};
use image_cache_tests::http::{Origin, Request, reply, write_head};
use std::fs;
use std::io::{self, Write};
use std::net::TcpStream;

/// A configuration that requires signatures of this key.
fn requiring(public: &str) -> String {
    format!("image_cache_trusted_keys = \"{public}\"\nimage_cache_require_signature = true\n")
}

/// A component with its signature, and the configuration of the operator who adds it.
fn signed() -> Operator {
    let (key, public) = key();
    let operator = Operator::packed(&requiring(&public));
    operator.sign(&key);
    operator
}

/// A server of the operator's files, except where `other` answers.
fn origin(
    operator: &Operator,
    other: impl Fn(&str, &mut TcpStream) -> Option<io::Result<()>> + Send + Sync + 'static,
) -> Origin {
    let folder = operator.scratch.path("");
    Origin::new(move |request: &Request, output: &mut TcpStream| {
        let name = request.target.trim_start_matches('/');
        if let Some(answered) = other(name, output) {
            return answered;
        }
        match fs::read(folder.join(name)) {
            Ok(bytes) => reply(output, "200 OK", &[], &bytes),
            Err(_) => reply(output, "404 Not Found", &[], b"nothing here"),
        }
    })
}

fn add(operator: &Operator, origin: &Origin, name: &str) -> super::Answer {
    operator.run(&["driver", "add", &format!("{}/{name}", origin.url()), "--yes"])
}

#[test]
fn a_signed_driver_is_added_from_an_address_and_over_a_redirect() {
    for name in ["theirs.wasm", "moved"] {
        let operator = signed();
        let origin = origin(&operator, |name, output| {
            let rest = name.strip_prefix("moved")?;
            let place = format!("/theirs.wasm{rest}");
            Some(reply(output, "302 Found", &[("Location", &place)], b""))
        });
        let added = add(&operator, &origin, name);
        assert_eq!(added.code, Some(0), "{}", added.err);
        assert!(added.err.contains("by a trusted key"), "{}", added.err);
        let component = fs::read(operator.scratch.path("theirs.wasm")).expect("it is there");
        let installed = operator.scratch.path("drivers/gdsf.wasm");
        assert!(fs::read(installed).expect("it was written") == component);
        assert!(operator.config().contains("[drivers.gdsf]"), "{}", operator.config());
    }
}

#[test]
fn a_missing_signature_is_named_and_any_other_failure_is_not_taken_for_a_missing_one() {
    let operator = signed();
    fs::remove_file(operator.scratch.path("theirs.wasm.minisig")).expect("it is there");
    let without = origin(&operator, |_, _| None);
    add(&operator, &without, "theirs.wasm").failed(1, "/theirs.wasm has no signature");
    operator.is_unchanged();
    let broken = origin(&operator, |name, output| {
        let fails = name.ends_with(".minisig");
        fails.then(|| reply(output, "503 Service Unavailable", &[], b""))
    });
    let words = "theirs.wasm.minisig: the server answered 503 Service Unavailable";
    add(&operator, &broken, "theirs.wasm").failed(1, words);
    operator.is_unchanged();
    // Where signatures are optional, only a missing one is a warning.
    let optional = Operator::packed("");
    add(&optional, &broken, "theirs.wasm").failed(1, words);
    optional.is_unchanged();
    add(&optional, &without, "theirs.wasm").failed(0, "has no signature: anybody can have written");
    assert!(optional.scratch.path("drivers/gdsf.wasm").is_file());
}

#[test]
fn a_missing_a_truncated_and_a_changed_component_are_named_and_nothing_is_written() {
    let operator = signed();
    let component = fs::read(operator.scratch.path("theirs.wasm")).expect("it is there");
    let truncating = origin(&operator, move |name, output| {
        let sent = || -> io::Result<()> {
            write_head(output, "200 OK", &[], Some(component.len()))?;
            output.write_all(&component[..component.len() / 2])?;
            Err(io::Error::other("it breaks off"))
        };
        (name == "theirs.wasm").then(sent)
    });
    let broke_off = "/theirs.wasm: the response broke off before its end";
    add(&operator, &truncating, "theirs.wasm").failed(1, broke_off);
    operator.is_unchanged();
    add(&operator, &truncating, "nosuch.wasm").failed(1, "the server has no such file");
    operator.is_unchanged();
    // Half of the component as a whole file: the signature does not fit.
    let component = fs::read(operator.scratch.path("theirs.wasm")).expect("it is there");
    let cutting = origin(&operator, move |name, output| {
        let half = &component[..component.len() / 2];
        (name == "theirs.wasm").then(|| reply(output, "200 OK", &[], half))
    });
    let words = "is not a signature of";
    add(&operator, &cutting, "theirs.wasm").failed(1, words);
    operator.is_unchanged();
}

#[test]
fn what_is_larger_than_accepted_is_refused_whether_its_length_is_announced_or_not() {
    let operator = signed();
    let huge = origin(&operator, |name, output| {
        let announced = || write_head(output, "200 OK", &[], Some(2 << 30));
        (name == "theirs.wasm").then(announced)
    });
    let words = "the file has 2147483648 bytes; at most 1073741824 are accepted";
    add(&operator, &huge, "theirs.wasm").failed(1, words);
    operator.is_unchanged();
    // A signature that does not end.
    let endless = origin(&operator, |name, output| {
        let sent = || -> io::Result<()> {
            write_head(output, "200 OK", &[("Connection", "close")], None)?;
            // It ends when the client has closed the connection.
            loop {
                output.write_all(&[b'x'; 4096])?;
            }
        };
        name.ends_with(".minisig").then(sent)
    });
    add(&operator, &endless, "theirs.wasm").failed(1, "the file has more than 8192 bytes");
    operator.is_unchanged();
}

#[test]
fn redirects_without_end_or_to_another_protocol_are_refused() {
    let operator = signed();
    let looping = origin(&operator, |name, output| {
        let place = [("Location", "/theirs.wasm")];
        (name == "theirs.wasm").then(|| reply(output, "301 Moved Permanently", &place, b""))
    });
    add(&operator, &looping, "theirs.wasm").failed(1, "redirects more than 5 times");
    let leading = origin(&operator, |_, output| {
        Some(reply(output, "302 Found", &[("Location", "ftp://a.example/theirs.wasm")], b""))
    });
    let words = "the server redirects to ftp://a.example/theirs.wasm: name that address yourself";
    add(&operator, &leading, "theirs.wasm").failed(1, words);
    let nowhere = origin(&operator, |_, output| Some(reply(output, "302 Found", &[], b"")));
    add(&operator, &nowhere, "theirs.wasm").failed(1, "the server redirects to nowhere");
    operator.is_unchanged();
}
