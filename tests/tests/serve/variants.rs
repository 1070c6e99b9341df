//! Responses that vary on a field of the request.

use image_cache_tests::http::{Origin, Request, reply_with_file};
use image_cache_tests::serving::Served;
use image_cache_tests::{Tested, bytes};

#[test]
fn a_client_that_sends_a_varying_field_gets_its_variant_with_one_read_each_time() -> Tested {
    const CLIENTS: usize = 8;
    let (esperanto, other) = (bytes(15, 1000), bytes(16, 1000));
    let (theirs, everybodys) = (esperanto.clone(), other.clone());
    let origin = Origin::new(move |request: &Request, output| {
        let image = if request.header("accept-language").is_some() { &theirs } else { &everybodys };
        reply_with_file(
            request,
            output,
            &[("Vary", "Accept-Language"), ("Cache-Control", "max-age=600")],
            image,
        )
    });
    let served = Served::before(&origin.url(), &["--profile", "plain"]);
    let fields = [("Accept-Language", "eo")];
    for _ in 0..CLIENTS {
        served.ask("GET", "/a", &fields)?.assert_is(200, "bypass", &esperanto);
    }
    // At times the service must ask on which fields the responses vary.
    assert!(origin.downloads("/a") <= CLIENTS + CLIENTS / 2, "{} reads", origin.downloads("/a"));
    // The variant for clients without the field is stored for them only.
    served.get("/a")?.assert_is(200, "miss", &other);
    assert!(served.is_cached("a"));
    origin.clear_requests();
    served.get("/a")?.assert_is(200, "hit", &other);
    served.ask("GET", "/a", &fields)?.assert_is(200, "bypass", &esperanto);
    assert_eq!(origin.downloads("/a"), 1);
    Ok(())
}
