//! GreedyDual with the cost of a fetch: what it is told decides what stays and what is admitted, as a component in a cache.

use super::{ALL, COST, Trial, at, id, passes};
use image_cache::conformance::CASES;
use image_cache::{Decision, Event, Expected, ImageCache, Outcome, RequestKind, Requester};
use image_cache_tests::components::{self, assert_no_fallback, open};
use image_cache_tests::{Tested, bytes, fill};
use std::time::Duration;

#[test]
fn cost_passes_the_conformance_suite() -> Tested {
    passes(&COST, CASES, &[("within", "60")])
}

fn trial() -> Tested<Trial> {
    Ok(Trial::new(&COST, &[])?.ok_or("it is built with the tests")?)
}

/// Caches an image whose fetch took so many milliseconds.
fn fetch(trial: &Trial, name: &str, size: u64, millis: u64) -> Tested {
    trial.add(name, size, 0)?;
    let (duration, requester) = (Duration::from_millis(millis), Requester::default());
    let event = Event::Fetched { image_id: id(name), at: at(0), bytes: size, duration, requester };
    Ok(trial.driver.notify(&[event])?)
}

#[test]
fn the_time_of_a_fetch_per_byte_decides_and_outlives_the_instance() -> Tested {
    let mut trial = trial()?;
    fetch(&trial, "slow", 1000, 500)?;
    fetch(&trial, "fast", 1000, 1)?;
    fetch(&trial, "slow-but-large", 4000, 900)?;
    trial.reconfigure(&[])?;
    assert_eq!(trial.victims(ALL, 1)?, ["fast", "slow-but-large", "slow"]);
    Ok(())
}

#[test]
fn a_read_of_a_part_counts_less_than_one_of_the_image() -> Tested {
    let trial = trial()?;
    fetch(&trial, "whole", 1000, 10)?;
    fetch(&trial, "part", 1000, 11)?;
    assert_eq!(trial.victims(ALL, 1)?, ["whole", "part"]);
    for (name, bytes) in [("whole", 1000), ("part", 10)] {
        let (image_id, requester) = (id(name), Requester::default());
        trial.driver.notify(&[Event::Read { image_id, at: at(2), bytes, requester }])?;
    }
    assert_eq!(trial.victims(ALL, 3)?, ["part", "whole"]);
    Ok(())
}

fn request(cache: &ImageCache, name: &str) -> Tested<Outcome> {
    Ok(cache.cache_image(name, &bytes(1, 1000)[..], Expected::nothing().with_size(1000))?)
}

#[test]
fn a_cache_that_is_nearly_full_admits_what_was_evicted_or_is_added_or_is_requested_again() -> Tested
{
    let Some(driver) = COST.config(&[]) else { return Ok(()) };
    let trial = components::Trial::new();
    let config = trial.config(driver).max_size(10_000).policy_min_age(Duration::ZERO);
    let cache = open(config);
    let names: Vec<String> = (0..9).map(|n| format!("image-{n}")).collect();
    for name in &names {
        assert!(matches!(request(&cache, name)?, Outcome::Cached(_)), "there is room for {name}");
    }
    let reason = "the cache is 90 % full: first request within 86400 s".to_owned();
    assert_eq!(request(&cache, "new")?, Outcome::RefusedByDriver(Some(reason)));
    assert!(matches!(request(&cache, "new")?, Outcome::Cached(_)), "the second request");
    let adding = cache.on_behalf_of(Requester::of(RequestKind::Add));
    assert!(matches!(request(&adding, "added")?, Outcome::Cached(_)));
    // One is evicted, and another one is deleted: only the first one is admitted at once.
    assert_eq!(cache.prune()?.images, 1);
    let mut all = names.clone();
    all.extend(["new", "added"].map(str::to_owned));
    let is_missing = |name: &&String| cache.is_cached(name).is_ok_and(|is_cached| !is_cached);
    let evicted = all.iter().find(is_missing).ok_or("one was evicted")?;
    assert!(matches!(request(&cache, evicted)?, Outcome::Cached(_)), "{evicted} comes back");
    let deleted = names.iter().find(|name| *name != evicted).ok_or("there are nine")?;
    assert!(cache.delete_cached_image(deleted)?);
    let refused = request(&cache, deleted)?;
    assert!(matches!(refused, Outcome::RefusedByDriver(Some(_))), "{refused:?}");
    assert_no_fallback(&cache);
    Ok(())
}

#[test]
fn the_hosts_number_decides_how_full_the_cache_is() -> Tested {
    let Some(driver) = COST.config(&[]) else { return Ok(()) };
    let trial = components::Trial::new();
    let cache = open(trial.config(driver.clone()).max_size(10_000));
    // Another process fills the cache.
    let other = open(trial.config(driver).max_size(10_000));
    for n in 0..9 {
        fill(&other, &format!("image-{n}"), &bytes(n, 1000));
    }
    assert!(cache.is_cacheable("new", Some(1000))?, "this process does not know it yet");
    assert_eq!(cache.prune()?.images, 0);
    assert!(!cache.is_cacheable("other", Some(1000))?);
    Ok(())
}

#[test]
fn an_unknown_option_is_named() -> Tested {
    let words = super::refusal(&COST, &[("fill", "80")])?.ok_or("it is refused")?;
    assert!(words.contains("fill") && words.contains("within"), "{words}");
    let trial = trial()?;
    assert_eq!(trial.decides("a", None, 1, &Requester::default())?, Decision::Admit);
    Ok(())
}
