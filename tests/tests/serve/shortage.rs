//! Too few file descriptors for all files.

use image_cache_tests::http::{Glance, Origin, Request, data, reply_with_file};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes};
use std::net::TcpStream;

/// The number of steps from no descriptor to enough.
const IMAGES: usize = 10;

/// Some numbers below the numbers of open descriptors are free.
const FREE: isize = 4;

fn image(n: usize) -> Vec<u8> {
    bytes(n as u64, 1000 + n)
}

fn target(profile: &str, n: usize) -> String {
    if profile == "glance" { data(&n.to_string()) } else { format!("/{n}") }
}

/// Each image has a field that only its stored response contains.
fn origin() -> Origin {
    let glance = Glance::default();
    (0..IMAGES).for_each(|n| glance.put(&n.to_string(), image(n)));
    Origin::new(move |request: &Request, output: &mut TcpStream| {
        let name = request.target.trim_start_matches("/v2/images").trim_end_matches("/file");
        let number = name.trim_start_matches('/').parse::<usize>();
        let is_record = request.target.starts_with("/v2/") && !request.target.ends_with("/file");
        let Some(n) = number.ok().filter(|_| !is_record) else {
            return glance.answer(request, output);
        };
        let etag = format!("\"{n}\"");
        let fields = [
            ("Content-Type", "application/x-raw"),
            ("ETag", &*etag),
            ("Cache-Control", "max-age=600"),
        ];
        reply_with_file(request, output, &fields, &image(n))
    })
}

#[test]
fn a_lookup_that_fails_without_descriptors_neither_loses_nor_confuses_an_image() -> Tested {
    for profile in ["plain", "glance"] {
        let origin = origin();
        let served = Served::before(&origin.url(), &["--profile", profile]);
        for n in 0..IMAGES {
            served.get(&target(profile, n))?.assert_is(200, "miss", &image(n));
            assert!(served.is_cached(&n.to_string()));
        }
        // So that the stored responses are read again.
        let served = Served::on(served.stop()?, &origin.url(), &["--profile", profile]);
        for n in 0..IMAGES {
            let mut client = served.client();
            // Both connections are open already.
            assert_eq!(client.ask("GET", "/other", &[("Cookie", "a")])?.status, 200);
            let target = target(profile, n);
            let more = n as isize - FREE;
            let answer =
                served.with_few_descriptors(more, || client.ask("GET", &target, &[]))??;
            match answer.status {
                200 => assert!(answer.is_complete && answer.body == image(n), "{profile} {n}"),
                status => assert!([502, 503].contains(&status), "{profile} {n}: {status}"),
            }
            let answer = served.get(&target)?;
            answer.assert_is(200, "hit", &image(n));
            let said = answer.header("content-type");
            assert_eq!(said, Some("application/x-raw"), "{profile} {n}");
        }
    }
    Ok(())
}
