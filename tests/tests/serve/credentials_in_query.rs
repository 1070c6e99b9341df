//! A credential in a query: its response is for one user, and no id, list or log shows it.

use image_cache_tests::http::{Origin, Request, reply_with_file};
use image_cache_tests::serving::{Served, Setup};
use image_cache_tests::{TempCache, Tested, bytes, fill, until};

const NEVER: [&str; 4] = ["--profile", "plain", "--authorise", "never"];

/// A server of one image, which may be shared, below any path.
fn server(image: &[u8]) -> Origin {
    let image = image.to_vec();
    let fields = [("Cache-Control", "max-age=600"), ("ETag", "\"a\"")];
    Origin::new(move |request: &Request, output| reply_with_file(request, output, &fields, &image))
}

#[test]
fn a_request_with_a_credential_in_its_query_is_not_shared_and_not_shown() -> Tested {
    let image = bytes(12, 1000);
    let origin = server(&image);
    let signed = ["/a?X-Amz-Signature=swordfish", "/a?x=1&%74oken=swordfish", "/a?mine=swordfish"];
    let served =
        Served::before(&origin.url(), &[&NEVER[..], &["--credential-query", "mine"]].concat());
    for target in signed {
        served.get(target)?.assert_is(200, "bypass", &image);
    }
    assert!(served.is_idle());
    let with_dots = |name: &String| name.starts_with('.') || name.contains("cache.db");
    let names = served.temp.names("");
    let images: Vec<_> = names.iter().filter(|name| !with_dots(name)).collect();
    assert!(!images.iter().any(|name| name.starts_with(['a', '@'])), "{images:?}");

    let served =
        Served::before(&origin.url(), &[&NEVER[..], &["--cache-credential-queries"]].concat());
    served.get(signed[0])?.assert_is(200, "miss", &image);
    served.get(signed[0])?.assert_is(200, "hit", &image);
    let names = served.temp.names("");
    assert!(names.iter().any(|name| name.starts_with('@')), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("swordfish")), "{names:?}");
    Ok(())
}

#[test]
fn the_signed_urls_of_all_large_stores_are_known() -> Tested {
    let image = bytes(13, 1000);
    let origin = server(&image);
    let served = Served::before(&origin.url(), &NEVER);
    for name in [
        "X-Amz-Signature",
        "X-Goog-Signature",
        "sig",
        "temp_url_sig",
        "x-oss-signature",
        "Signature",
        "security-token",
        "q-signature",
        "x-cos-security-token",
        "X-Obs-Signature",
        "x-obs-security-token",
        "hdnea",
        "hdnts",
    ] {
        served.get(&format!("/a?{name}=swordfish"))?.assert_is(200, "bypass", &image);
    }
    Ok(())
}

/// An id that shows a credential, as an earlier version made them.
const SHOWN: &str = "a%3Ftoken%3Dswordfish";

#[test]
fn an_id_that_shows_a_credential_leaves_the_cache_and_the_queue_at_the_start() -> Tested {
    let image = bytes(14, 1000);
    let origin = server(&image);
    let temp = TempCache::new("sqlite");
    let cache = temp.open();
    fill(&cache, SHOWN, &image);
    fill(&cache, "b", &image);
    drop(cache);
    let never = ["--clean-every", "0"];
    let served = Served::on(temp, &origin.url(), &[&NEVER[..], &never].concat());
    assert!(until(|| !served.has(SHOWN)), "it was not removed");
    assert!(served.has("b"));
    Ok(())
}

#[test]
fn an_image_whose_id_shows_a_credential_is_not_queued_and_not_logged() -> Tested {
    let origin = server(&bytes(15, 1000));
    let setup = Setup::new();
    let service = setup.serve(&origin.url(), &NEVER)?;
    let id = SHOWN.replace('%', "%25");
    for path in ["/v2/cache", "/v2/queued_images"] {
        let refused = service.manage("PUT", &format!("{path}/{id}"))?;
        assert_eq!(refused.status, 400, "{path}");
        assert!(refused.text().contains("contains a credential"), "{}", refused.text());
    }
    // The command line does not know the service's options.
    setup.run(&["queue", "add", SHOWN])?;
    assert!(until(|| service.queued().is_empty()), "it stays in the queue");
    assert!(until(|| service.log().contains("its id contains a credential")));
    assert!(!service.log().contains("swordfish"), "{}", service.log());
    assert!(origin.requests().is_empty());
    Ok(())
}
