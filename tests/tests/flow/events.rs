//! What subscribers are told, and that they never delay the cache.

use crate::corruption::flip;
use crate::in_tokio::run;
use futures_util::StreamExt;
use image_cache::tokio::AsyncImageCache;
use image_cache::{CacheEvent, Damage, Expected, RemovalReason, Subscription};
use image_cache_tests::components::{TRIED, Trial, assert_no_fallback, faulty, open};
use image_cache_tests::{TempCache, Tested, bytes, fill, read_all, until, with_both_drivers};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

with_both_drivers![
    an_image_is_announced_when_it_is_cached_and_when_it_goes,
    a_damaged_image_is_announced_once,
    a_slow_subscriber_loses_the_oldest_events_and_learns_how_many,
    subscribers_are_independent,
    a_subscription_ends_with_the_cache,
    a_thread_can_wait_for_events,
    a_task_can_wait_for_events,
];

/// All events that have happened, in short.
fn events(subscription: &mut Subscription) -> Vec<String> {
    std::iter::from_fn(|| subscription.try_recv().ok()).map(|event| in_short(&event)).collect()
}

fn in_short(event: &CacheEvent) -> String {
    match event {
        CacheEvent::Cached(image) => format!("+{}", image.image_id),
        CacheEvent::Removed { image_id, reason } => format!("-{image_id} {reason:?}"),
        CacheEvent::Damaged { image_id, .. } => format!("!{image_id}"),
        CacheEvent::Fallback(fallback) => format!("fallback {}", fallback.configured),
        CacheEvent::Lost { events } => format!("lost {events}"),
        other => format!("{other:?}"),
    }
}

fn an_image_is_announced_when_it_is_cached_and_when_it_goes(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_size(1500));
    let mut subscription = cache.subscribe();
    let record = fill(&cache, "a", &bytes(1, 1000));
    assert_eq!(subscription.try_recv(), Ok(CacheEvent::Cached(record)));
    read_all(cache.caching_reader("b", &bytes(2, 1000)[..], Expected::nothing())?)?;
    read_all(cache.open_for_read("b")?.ok_or("it is cached")?)?;
    assert_eq!(cache.prune()?.images, 1);
    assert!(cache.delete_cached_image("b")? && !cache.delete_cached_image("b")?);
    assert_eq!(events(&mut subscription), ["+b", "-a Evicted", "-b Deleted"]);
    // What is not cached is no event.
    drop(cache.caching_reader("c", &b"image"[..], Expected::nothing())?);
    let wrong = Expected::nothing().with_size(7);
    assert!(cache.cache_image("c", &b"image"[..], wrong).is_err());
    assert_eq!(events(&mut subscription), Vec::<String>::new());
    Ok(())
}

fn a_damaged_image_is_announced_once(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let mut subscription = cache.subscribe();
    fill(&cache, "a", &bytes(3, 5000));
    let readers = [cache.open_for_read("a")?, cache.open_for_read("a")?];
    flip(&temp.path("a"), 100)?;
    for reader in readers {
        assert!(read_all(reader.ok_or("it is cached")?).is_err());
    }
    let all: Vec<CacheEvent> = std::iter::from_fn(|| subscription.try_recv().ok()).collect();
    let damage = Damage::Bytes { start: 0, end: 5000 };
    let image_id: image_cache::ImageId = "a".parse()?;
    let removed =
        CacheEvent::Removed { image_id: image_id.clone(), reason: RemovalReason::Damaged };
    assert_eq!(all[1..], [removed, CacheEvent::Damaged { image_id, damage }]);
    Ok(())
}

/// The xattr driver keeps its records in the files, so it cannot notice this.
#[test]
fn what_other_programs_did_is_announced_when_it_is_noticed() -> Tested {
    let temp = TempCache::new("sqlite");
    let cache = temp.open();
    fill(&cache, "missing", b"image");
    fill(&cache, "replaced", b"image");
    let mut subscription = cache.subscribe();
    // The time of the directory is compared.
    std::thread::sleep(Duration::from_millis(20));
    std::fs::remove_file(temp.path("missing"))?;
    temp.put("queue/other", b"another image");
    std::fs::rename(temp.path("queue/other"), temp.path("replaced"))?;
    let mut seen = Vec::new();
    let are_noticed = until(|| {
        cache.reconcile_external_changes();
        seen.extend(events(&mut subscription));
        seen.len() >= 2
    });
    seen.sort();
    assert!(are_noticed && seen == ["-missing Missing", "-replaced Replaced"], "{seen:?}");
    Ok(())
}

fn a_slow_subscriber_loses_the_oldest_events_and_learns_how_many(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let mut slow = cache.subscribe_with_capacity(3);
    for n in 0..10 {
        fill(&cache, &format!("image-{n}"), b"image");
    }
    assert_eq!(events(&mut slow), ["lost 7", "+image-7", "+image-8", "+image-9"]);
    fill(&cache, "last", b"image");
    assert_eq!(events(&mut slow), ["+last"]);
    Ok(())
}

fn subscribers_are_independent(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let (mut one, dropped) = (cache.subscribe(), cache.subscribe());
    fill(&cache, "a", b"image");
    drop(dropped);
    let mut late = cache.clone().subscribe();
    fill(&cache, "b", b"image");
    assert_eq!(events(&mut one), ["+a", "+b"]);
    assert_eq!(events(&mut late), ["+b"]);
    Ok(())
}

fn a_subscription_ends_with_the_cache(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let mut subscription = cache.subscribe();
    fill(&cache, "a", b"image");
    let clone = cache.clone();
    drop(cache);
    fill(&clone, "b", b"image");
    drop(clone);
    assert_eq!(subscription.recv().as_ref().map(in_short), Ok("+a".into()));
    assert_eq!(subscription.recv().as_ref().map(in_short), Ok("+b".into()));
    assert!(subscription.recv().is_err());
    assert_eq!(subscription.try_recv(), Err(TryRecvError::Disconnected));
    let ended = subscription.recv_timeout(Duration::from_secs(60));
    assert_eq!(ended, Err(RecvTimeoutError::Disconnected));
    Ok(())
}

fn a_thread_can_wait_for_events(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let mut subscription = cache.subscribe();
    let begun = Instant::now();
    let nothing = subscription.recv_timeout(Duration::from_millis(50));
    assert_eq!(nothing, Err(RecvTimeoutError::Timeout));
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let waiting = std::thread::spawn(move || subscription.recv());
    std::thread::sleep(Duration::from_millis(50));
    fill(&cache, "a", b"image");
    let event = waiting.join().expect("the thread ends")?;
    assert_eq!(in_short(&event), "+a");
    Ok(())
}

fn a_task_can_wait_for_events(temp: &TempCache) -> Tested {
    run(async {
        let cache = AsyncImageCache::from(temp.open());
        let mut subscription = cache.subscribe();
        let cached = async { cache.cache_image("a", &b"image"[..], Expected::nothing()).await };
        let (event, outcome) = tokio::join!(subscription.recv_async(), cached);
        outcome?;
        assert_eq!(event.as_ref().map(in_short), Some("+a".into()));
        cache.run(|cache| cache.delete_cached_image("a")).await?;
        cache.close().await?;
        let rest: Vec<String> = subscription.map(|event| in_short(&event)).collect().await;
        assert_eq!(rest, ["-a Deleted"]);
        Ok(())
    })
}

#[test]
fn a_failover_is_announced() -> Tested {
    let trial = Trial::new();
    let driver = faulty(&[("fault", "trap"), ("in", "select-victims")]);
    let cache = open(trial.config(driver).max_size(10));
    assert_no_fallback(&cache);
    let mut subscription = cache.subscribe();
    fill(&cache, "a", b"a larger image");
    for _ in 0..8 {
        // The first ones may fail; the last one evicts with sqlite.
        let _ = cache.prune();
    }
    let fallback = cache.driver().fallback.ok_or("it was replaced")?;
    assert_eq!(fallback.configured, TRIED);
    let all = std::iter::from_fn(|| subscription.try_recv().ok());
    let fallbacks: Vec<CacheEvent> =
        all.filter(|event| matches!(event, CacheEvent::Fallback(_))).collect();
    assert_eq!(fallbacks, [CacheEvent::Fallback(fallback)]);
    Ok(())
}
