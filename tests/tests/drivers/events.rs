//! What a driver is told and asked beyond its records: events, admission with the requester, the timer, pins and metrics.

use image_cache::{
    DriverConfig, Expected, ImageCache, MetricValue, Outcome, Pin, RequestKind, Requester,
};
use image_cache_tests::components::{Trial, assert_no_fallback};
use image_cache_tests::{Tested, bytes, fill, read_all, serve, until};
use std::fs;
use std::io::{self, Read};
use std::time::Duration;

/// The driver that counts what it is told.
fn listener(options: &[(&str, &str)]) -> DriverConfig {
    let mut driver = DriverConfig::new(env!("GUEST_LISTENER"));
    driver.grants.insert(image_cache::Grant::Sql);
    driver.options =
        options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    driver.limits.guest_time = Duration::from_secs(20);
    driver.limits.call_time = Duration::from_secs(40);
    driver
}

/// The value of a metric with these values of its labels, ascending by the labels' names; 0 if there is none.
fn metric(cache: &ImageCache, name: &str, labels: &[&str]) -> f64 {
    let metrics = cache.driver_metrics();
    let values = |labels: &[(String, String)]| -> Vec<String> {
        labels.iter().map(|(_, value)| value.clone()).collect()
    };
    let found = metrics.iter().find(|it| it.name == name && values(&it.labels) == labels);
    match found.map(|it| it.value) {
        Some(MetricValue::Counter(count)) => count as f64,
        Some(MetricValue::Gauge(value)) => value,
        Some(other) => panic!("another kind of value: {other:?}"),
        None => 0.0,
    }
}

fn of(tenant: &str) -> Tested<Requester> {
    Ok(Requester::of(RequestKind::Client).with_tenant(Some(tenant.parse()?)))
}

#[test]
fn reads_have_their_bytes_and_their_requester() -> Tested {
    let (trial, image) = (Trial::new(), bytes(1, 3 << 20));
    let cache = trial.open(listener(&[]));
    let adding = cache.on_behalf_of(Requester::of(RequestKind::Add));
    adding.cache_image("a", &image[..], Expected::nothing())?;
    assert_eq!(metric(&cache, "fetched_bytes", &["add", ""]), image.len() as f64);
    assert!(metric(&cache, "fetch_micros", &[]) > 0.0);
    let alice = cache.on_behalf_of(of("alice")?);
    assert!(serve(&alice, "a")? == image);
    read_all(alice.open_range("a", 5..1005)?.ok_or("it is cached")?)?;
    assert_eq!(metric(&cache, "reads", &["client", "alice"]), 2.0);
    assert_eq!(metric(&cache, "read_bytes", &["client", "alice"]), image.len() as f64 + 1000.0);
    // A read that is not finished is no event.
    alice.open_for_read("a")?.ok_or("it is cached")?.read_exact(&mut [0; 1000])?;
    assert_eq!(metric(&cache, "reads", &["client", "alice"]), 2.0);
    assert_no_fallback(&cache);
    Ok(())
}

#[test]
fn a_reader_that_joins_a_fetch_is_a_follower() -> Tested {
    let (trial, image) = (Trial::new(), bytes(2, 2 << 20));
    let cache = trial.open(listener(&[]));
    let source = image.clone();
    let fetch = move || Ok(io::Cursor::new(source));
    let mut first =
        cache.on_behalf_of(of("alice")?).get_or_fetch("a", Expected::nothing(), fetch)?;
    let mut start = vec![0; 1000];
    first.read_exact(&mut start)?;
    let mut second = cache.on_behalf_of(of("bob")?).follow("a")?.ok_or("it is being fetched")?;
    let rest = std::thread::spawn(move || read_all(&mut first));
    assert!(read_all(&mut second)? == image);
    rest.join().map_err(|_| "the first reader panicked")??;
    assert_eq!(metric(&cache, "read_bytes", &["follower", "bob"]), image.len() as f64);
    assert_eq!(metric(&cache, "fetched_bytes", &["client", "alice"]), image.len() as f64);
    Ok(())
}

#[test]
fn removals_have_their_reasons() -> Tested {
    let trial = Trial::new();
    let config = trial.config(listener(&[])).max_size(2500).policy_min_age(Duration::ZERO);
    let cache = image_cache_tests::components::open(config);
    let removed = |reason: &str| metric(&cache, "removed", &[reason]);
    for name in ["evicted", "deleted", "damaged", "replaced", "missing"] {
        fill(&cache, name, &bytes(3, 1000));
    }
    fs::remove_file(trial.path("missing"))?;
    fs::write(trial.path("replaced"), bytes(4, 2000))?;
    assert!(cache.delete_cached_image("deleted")?);
    assert!(until(|| {
        cache.reconcile_external_changes();
        removed("missing") + removed("replaced") >= 2.0
    }));
    assert_eq!([removed("missing"), removed("replaced"), removed("deleted")], [1.0; 3]);
    let mut image = fs::read(trial.path("damaged"))?;
    image[500] ^= 1;
    fs::write(trial.path("damaged"), image)?;
    assert!(serve(&cache, "damaged").is_err());
    assert_eq!(removed("damaged"), 1.0);
    assert_eq!(cache.prune()?.images, 1);
    assert_eq!(removed("evicted"), 1.0);
    Ok(())
}

#[test]
fn the_capacity_is_what_is_configured_and_what_the_cache_holds() -> Tested {
    let trial = Trial::new();
    let config = trial.config(listener(&[])).max_size(5000).policy_min_age(Duration::ZERO);
    let cache = image_cache_tests::components::open(config.max_images(10));
    let told = || ["used_images", "used_bytes"].map(|name| metric(&cache, name, &[]));
    let held = || -> Tested<[f64; 2]> {
        let size = cache.cache_size()?;
        Ok([size.images as f64, size.bytes as f64])
    };
    for (seed, (name, size)) in [("a", 1000), ("b", 2000), ("c", 1500)].into_iter().enumerate() {
        fill(&cache, name, &bytes(seed as u64, size));
    }
    assert_eq!(cache.prune()?.images, 0);
    assert_eq!((told(), held()?), ([3.0, 4500.0], [3.0, 4500.0]));
    assert_eq!(["limit_bytes", "limit_images"].map(|it| metric(&cache, it, &[])), [5000.0, 10.0]);
    // What another program put there counts too.
    fs::write(trial.path("d"), bytes(4, 700))?;
    fill(&cache, "e", &bytes(5, 800));
    let before = held()?;
    assert_eq!(before, [5.0, 6000.0]);
    assert_eq!(cache.prune()?.images, 1);
    assert_eq!(told(), before, "as the host counted it before the choice");
    assert_eq!(cache.prune()?.images, 0);
    assert_eq!((told(), held()?), ([4.0, 5000.0], [4.0, 5000.0]));
    assert_eq!(metric(&cache, "usage_elsewhere", &[]), 0.0);
    assert_no_fallback(&cache);
    Ok(())
}

#[test]
fn an_image_of_unknown_size_is_admitted_twice() -> Tested {
    let trial = Trial::new();
    let cache = trial.open(listener(&[("refuse-from", "1000")]));
    let asked = |size: &str| metric(&cache, "asked", &["client", size, ""]);
    let image = bytes(5, 1000);
    let refused = Outcome::RefusedByDriver(Some("1000 bytes are 1 too many\\u{7}".into()));
    // The reader gets all bytes, whatever the second answer is.
    let mut reader = cache.caching_reader("a", &image[..], Expected::nothing())?;
    assert!(read_all(&mut reader)? == image);
    assert_eq!(reader.outcome(), Some(&refused));
    assert_eq!((asked("unknown"), asked("known")), (1.0, 1.0));
    drop(reader);
    assert_eq!(metric(&cache, "not_cached_bytes", &["client", ""]), 1000.0);
    assert!(!cache.is_cached("a")? && !trial.path("incomplete/a").exists());
    assert_eq!(fs::read_dir(trial.path("invalid"))?.count(), 0, "nothing is left");
    // With a known size, it is asked once.
    let sized = Expected::nothing().with_size(1000);
    assert_eq!(cache.cache_image("b", &image[..], sized)?, refused);
    assert_eq!((asked("unknown"), asked("known")), (1.0, 2.0));
    let small = cache.cache_image("c", &image[..999], Expected::nothing())?;
    assert!(matches!(small, Outcome::Cached(_)), "{small:?}");
    assert_no_fallback(&cache);
    Ok(())
}

#[test]
fn the_readers_of_a_fetch_that_is_refused_at_its_end_get_its_bytes() -> Tested {
    let (trial, image) = (Trial::new(), bytes(9, 3 << 20));
    let cache = trial.open(listener(&[("refuse-from", "1000")]));
    let source = image.clone();
    let fetch = move || Ok(io::Cursor::new(source));
    let mut first = cache.get_or_fetch("a", Expected::nothing(), fetch)?;
    let mut start = vec![0; 1000];
    first.read_exact(&mut start)?;
    let second = cache.follow("a")?.ok_or("it is being fetched")?;
    let follower = std::thread::spawn(move || read_all(second));
    let rest = read_all(&mut first)?;
    assert!([start, rest].concat() == image);
    assert!(follower.join().map_err(|_| "the follower panicked")?? == image);
    assert!(!cache.is_cached("a")?);
    Ok(())
}

#[test]
fn a_fetch_that_fails_is_told_and_an_image_that_was_not_there_is_not_removed() -> Tested {
    let trial = Trial::new();
    let cache = trial.open(listener(&[]));
    let failing = Read::chain(&[1; 700][..], Failing);
    assert!(cache.cache_image("a", failing, Expected::nothing()).is_err());
    assert_eq!(metric(&cache, "not_cached_bytes", &["client", ""]), 700.0);
    drop(cache.caching_reader("b", &[1; 10][..], Expected::nothing())?);
    assert_eq!(metric(&cache, "not_cached_bytes", &["client", ""]), 700.0);
    assert!(!cache.delete_cached_image("never-there")?);
    assert_eq!(metric(&cache, "removed", &["deleted"]), 0.0);
    Ok(())
}

/// A source that fails at once.
struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the source failed"))
    }
}

#[test]
fn a_pin_that_is_set_while_a_prune_runs_protects() -> Tested {
    let trial = Trial::new();
    let config = trial.config(listener(&[])).max_size(0).policy_min_age(Duration::ZERO);
    let cache = image_cache_tests::components::open(config);
    for n in 0..200 {
        fill(&cache, &format!("image-{n:03}"), &bytes(n, 100));
    }
    let other = cache.clone();
    let pinning = std::thread::spawn(move || {
        // Pinned while images are evicted, or just before or after: from then on it stays, if it is still there.
        let pinned = other.pin_image("image-199", Pin::new("late", None));
        pinned.and_then(|()| other.is_cached("image-199"))
    });
    cache.prune()?;
    let was_there = pinning.join().map_err(|_| "the thread panicked")??;
    assert_eq!(cache.is_cached("image-199")?, was_there);
    Ok(())
}

#[test]
fn the_timer_is_called_about_once_a_second() -> Tested {
    let trial = Trial::new();
    let cache = trial.open(listener(&[]));
    fill(&cache, "a", &bytes(6, 1000));
    let started = std::time::Instant::now();
    while started.elapsed() < Duration::from_millis(2500) {
        serve(&cache, "a")?;
    }
    let (ticks, most) = (metric(&cache, "ticks", &[]), started.elapsed().as_secs_f64() + 2.0);
    assert!((2.0..=most).contains(&ticks), "{ticks} ticks, at most {most}");
    // A service that is idle calls this.
    assert!(until(|| {
        cache.reconcile_external_changes();
        metric(&cache, "ticks", &[]) > ticks
    }));
    Ok(())
}

#[test]
fn pinned_images_are_not_evicted_and_the_driver_knows_them() -> Tested {
    let trial = Trial::new();
    let config = trial.config(listener(&[])).max_size(1500).policy_min_age(Duration::ZERO);
    let cache = image_cache_tests::components::open(config);
    for (name, seed) in [("old", 1), ("older", 2), ("new", 3)] {
        fill(&cache, name, &bytes(seed, 1000));
    }
    cache.pin_image("old", Pin::new("rescue", None))?;
    cache.pin_image("absent", Pin::new("rescue", None))?;
    let planned: Vec<String> =
        cache.plan_prune()?.into_iter().map(|planned| planned.image_id.to_string()).collect();
    assert_eq!(planned, ["older", "new"]);
    let pruned = cache.prune()?;
    assert_eq!((pruned.images, pruned.kept), (2, Vec::new()));
    assert!(cache.is_cached("old")?);
    assert_eq!(metric(&cache, "pinned", &[]), 2.0);
    let explained = cache.explain("old")?.ok_or("it is cached")?;
    assert_eq!((explained.pins.len(), explained.goes, explained.rank), (1, None, None));
    // With more pinned than there is room, the prune ends, and the driver is not at fault.
    fill(&cache, "pinned", &bytes(4, 1000));
    cache.pin_image("pinned", Pin::new("rescue", None))?;
    assert_eq!(cache.prune()?.images, 0);
    assert_no_fallback(&cache);
    cache.unpin_image("old", None)?;
    assert_eq!(cache.prune()?.images, 1);
    assert!(cache.is_cached("pinned")? && !cache.is_cached("old")?);
    Ok(())
}

#[test]
fn events_and_ticks_that_fail_lose_no_hit_and_no_image() -> Tested {
    for interface in ["events", "timer"] {
        let trial = Trial::new();
        let cache = trial.open(listener(&[("fail", interface)]));
        let image = bytes(7, 1000);
        fill(&cache, "a", &image);
        for _ in 0..2 {
            assert!(serve(&cache, "a")? == image);
        }
        assert_eq!(cache.hit_count("a")?, 2, "{interface}");
        assert_no_fallback(&cache);
    }
    Ok(())
}
