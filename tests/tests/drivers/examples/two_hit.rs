//! Two-hit admission: an image is cached at its second request.

use super::{Example, GDSF, S3_FIFO, SIEVE, TWO_HIT, Trial, refusal};
use image_cache::{Config, Decision, Expected, Outcome, RequestKind, Requester};
use image_cache_tests::components::{self, assert_no_fallback, open};
use image_cache_tests::{Tested, bytes};

/// Every driver that has this admission, with options for a minute.
fn all() -> [(&'static Example, Vec<(&'static str, &'static str)>); 4] {
    let option = vec![("admission", "two-hit"), ("within", "60")];
    let [gdsf, s3_fifo, sieve] = [&GDSF, &S3_FIFO, &SIEVE].map(|driver| (driver, option.clone()));
    [(&TWO_HIT, vec![("within", "60")]), gdsf, s3_fifo, sieve]
}

#[test]
fn the_second_request_is_admitted_within_the_time() -> Tested {
    for (example, options) in all() {
        let trial = Trial::new(example, &options)?.ok_or("it is built in")?;
        assert!(!trial.admits("a", Some(10), 0)?, "the first request");
        assert!(!trial.admits("a", Some(10), 0)?, "the same call once more");
        assert!(trial.admits("a", Some(10), 60)? && trial.admits("a", Some(10), 60)?);
        assert!(!trial.admits("b", Some(10), 60)?);
        assert!(!trial.admits("b", Some(10), 121)?, "too late: this is a first request again");
        assert!(trial.admits("b", Some(10), 122)?);
    }
    Ok(())
}

#[test]
fn a_request_is_remembered_by_the_next_instance() -> Tested {
    let mut trial = Trial::new(&TWO_HIT, &[])?.ok_or("it is built in")?;
    assert!(!trial.admits("a", Some(10), 0)?);
    trial.reconfigure(&[])?;
    assert!(trial.admits("a", Some(10), 10)?);
    Ok(())
}

#[test]
fn what_an_operator_adds_or_queues_is_admitted_at_once_and_others_get_a_reason() -> Tested {
    for (example, options) in all() {
        let trial = Trial::new(example, &options)?.ok_or("it is built in")?;
        for (name, kind) in [("added", RequestKind::Add), ("queued", RequestKind::Prefetch)] {
            for size in [None, Some(10)] {
                let decision = trial.decides(name, size, 0, &Requester::of(kind))?;
                assert_eq!(decision, Decision::Admit, "{}: {name}", example.name);
            }
        }
        for kind in [RequestKind::Client, RequestKind::Follower] {
            let refused = trial.decides(&format!("{kind:?}"), Some(10), 0, &Requester::of(kind))?;
            let reason = "first request within 60 s".to_owned();
            assert_eq!(refused, Decision::Refuse(Some(reason)), "{}", example.name);
        }
    }
    Ok(())
}

#[test]
fn the_second_question_is_admitted_however_long_the_fetch_took() -> Tested {
    for (example, options) in all() {
        let mut trial = Trial::new(example, &options)?.ok_or("it is built in")?;
        assert!(!trial.admits("a", None, 0)?, "the first request");
        assert!(trial.admits("a", None, 50)?, "the second one, and the fetch begins");
        trial.reconfigure(&options)?;
        assert!(trial.admits("a", Some(10), 5000)?, "{}: the end of the fetch", example.name);
        assert!(!trial.admits("b", Some(10), 5000)?, "another image");
        assert!(!trial.admits("a", None, 5000)?, "{}: a fetch of its own", example.name);
    }
    Ok(())
}

#[test]
fn an_image_of_unknown_size_is_cached_at_its_second_request() -> Tested {
    for (example, options) in all() {
        let trial = components::Trial::new();
        let driver = example.config(&options).ok_or("it is built in")?;
        let config = Config::builder(trial.dir()).define_driver(example.name, driver);
        let cache = open(config.driver(example.name));
        let image = bytes(1, 1000);
        let request = || cache.cache_image("a", &image[..], Expected::nothing());
        let refused = Outcome::RefusedByDriver(Some("first request within 60 s".into()));
        assert_eq!(request()?, refused, "{}", example.name);
        let second = request()?;
        assert!(matches!(second, Outcome::Cached(_)), "{}: {second:?}", example.name);
        let adding = cache.on_behalf_of(Requester::of(RequestKind::Add));
        let added = adding.cache_image("b", &image[..], Expected::nothing())?;
        assert!(matches!(added, Outcome::Cached(_)), "{}: {added:?}", example.name);
        assert_no_fallback(&cache);
    }
    Ok(())
}

#[test]
fn wrong_options_are_named() -> Tested {
    for (example, options, word) in [
        (&TWO_HIT, ("within", "soon"), "within"),
        (&TWO_HIT, ("admission", "all"), "admission"),
        (&GDSF, ("admission", "three-hit"), "two-hit"),
        (&GDSF, ("within", "60"), "within"),
    ] {
        let words = refusal(example, &[options])?.ok_or("it is refused")?;
        assert!(words.contains(word), "{words}");
    }
    Ok(())
}
