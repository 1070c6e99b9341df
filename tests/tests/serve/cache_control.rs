//! The header lines of an origin that permit or forbid sharing its response: all variants in the list.

use image_cache_tests::Tested;
use image_cache_tests::http::{Client, Origin, Request, Response};
use image_cache_tests::serving::Served;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// The header lines of a response, and whether a second client may get the first client's response without a request to the
/// origin.
struct Case {
    lines: Vec<String>,
    is_shared: bool,
}

fn cases() -> Tested<Vec<Case>> {
    let list: Value =
        serde_json::from_str(include_str!("../../fixtures/serve/cache-control.json"))?;
    let case = |case: &Value| {
        let lines = case["lines"].as_array()?.iter();
        let lines = lines.map(|line| line.as_str().map(str::to_owned)).collect::<Option<_>>()?;
        Some(Case { lines, is_shared: case["shared"].as_bool()? })
    };
    let cases: Option<Vec<Case>> = list.as_array().ok_or("no list")?.iter().map(case).collect();
    Ok(cases.ok_or("a case has no lines, or does not say whether it is shared")?)
}

/// Responds to `/NUMBER` with the lines of that case, with a different body each time, or with 304.
fn origin(cases: &[Case]) -> Origin {
    let lines: Vec<Vec<String>> = cases.iter().map(|case| case.lines.clone()).collect();
    let answers = Mutex::new(HashMap::<String, usize>::new());
    Origin::new(move |request: &Request, output| {
        let case = request.target[1..].parse::<usize>().ok().and_then(|number| lines.get(number));
        let lines = case.ok_or_else(|| io::Error::other("no such case"))?;
        let mut head = lines.iter().fold(String::new(), |head, line| head + line + "\r\n");
        head += "ETag: \"e\"\r\n";
        if request.header("if-none-match") == Some("\"e\"") {
            return output.write_all(format!("HTTP/1.1 304 Not Modified\r\n{head}\r\n").as_bytes());
        }
        let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = answers.entry(request.target.clone()).or_default();
        *count += 1;
        let body = format!("answer {count} under {}", request.target);
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {length}\r\n\r\n{body}");
        output.write_all(head.as_bytes())
    })
}

/// Requests all cases on one connection.
fn ask_for_all(client: &mut Client, cases: &[Case]) -> Tested<Vec<Response>> {
    let ask = |number| Ok(client.ask("GET", &format!("/{number}"), &[])?);
    (0..cases.len()).map(ask).collect()
}

/// The fault in bob's response, if any.
fn fault(
    case: &Case,
    number: usize,
    alice: &Response,
    bob: &Response,
    request: &[Request],
) -> Option<String> {
    let target = format!("/{number}");
    let request: Vec<_> = request.iter().filter(|request| request.target == target).collect();
    let is_confirmed =
        request.last().is_some_and(|request| request.header("if-none-match").is_some());
    let first = format!("answer 1 under {target}").into_bytes();
    let second = format!("answer 2 under {target}").into_bytes();
    if (alice.status, &alice.body) != (200, &first) {
        return Some(format!("alice got {} {:?}", alice.status, alice.body));
    }
    let expected = if case.is_shared || is_confirmed { &first } else { &second };
    match (request.len(), case.is_shared) {
        (1, false) => Some("bob got alice's response without a request to the origin".to_owned()),
        (2.., true) => Some("the origin got an unnecessary second request".to_owned()),
        _ if (bob.status, &bob.body) != (200, expected) => {
            Some(format!("bob got {} {:?}", bob.status, String::from_utf8_lossy(&bob.body)))
        }
        _ => None,
    }
}

#[test]
fn every_spelling_that_forbids_sharing_is_respected() -> Tested {
    let cases = cases()?;
    let (forbidden, shared): (Vec<_>, Vec<_>) = cases.iter().partition(|case| !case.is_shared);
    assert!(forbidden.len() >= 60 && shared.len() >= 30);
    let origin = origin(&cases);
    let served = Served::before(&origin.url(), &["--profile", "plain"]);
    let alice = ask_for_all(&mut served.client(), &cases)?;
    assert!(served.is_idle());
    let bob = ask_for_all(&mut served.client(), &cases)?;
    let request = origin.requests();
    let faults: Vec<String> = cases
        .iter()
        .enumerate()
        .filter_map(|(number, case)| {
            let fault = fault(case, number, &alice[number], &bob[number], &request)?;
            Some(format!("{:?}: {fault}", case.lines))
        })
        .collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
    Ok(())
}
