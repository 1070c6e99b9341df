//! Options that change while the cache is open.

use image_cache::{Error, Expected, Outcome};
use image_cache_tests::{TempCache, Tested, bytes, fill, listed, serve, with_both_drivers};
use std::time::Duration;

with_both_drivers![
    limits_apply_to_what_begins_afterwards,
    reads_are_verified_again_after_the_option_is_set,
    hits_that_were_collected_are_written_when_the_delay_ends,
    what_an_open_cache_has_opened_does_not_change,
    another_driver_takes_over_with_all_images_and_under_load,
];

fn limits_apply_to_what_begins_afterwards(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for n in 0..4 {
        fill(&cache, &format!("image-{n}"), &bytes(n, 1000));
    }
    assert_eq!(cache.prune()?.images, 0);
    cache.reconfigure(|options| options.max_size(2000))?;
    // A change evicts nothing by itself.
    assert_eq!(cache.cache_size()?.images, 4);
    assert_eq!(cache.prune()?.images, 2);
    cache.reconfigure(|options| options.max_images(1))?;
    assert_eq!(cache.prune()?.images, 1);
    cache.reconfigure(|options| options.max_images(0).hard_limit(true))?;
    let too_large =
        cache.cache_image("large", &bytes(9, 2001)[..], Expected::nothing().with_size(2001))?;
    assert!(matches!(too_large, Outcome::CacheFailed(_)), "{too_large:?}");
    fill(&cache, "fits", &bytes(9, 1500));
    assert_eq!(listed(&cache), ["fits"]);
    let status = cache.status()?;
    assert_eq!((status.max_size, status.max_images), (2000, None));
    Ok(())
}

fn reads_are_verified_again_after_the_option_is_set(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.verify_reads(false));
    fill(&cache, "a", b"an image");
    std::fs::write(temp.path("a"), b"an imAge")?;
    assert_eq!(serve(&cache, "a")?, b"an imAge");
    cache.reconfigure(|options| options.verify_reads(true))?;
    let error = serve(&cache, "a").expect_err("it is damaged");
    assert!(matches!(Error::of_io(&error), Some(Error::Corrupt { .. })), "{error}");
    Ok(())
}

fn hits_that_were_collected_are_written_when_the_delay_ends(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.hit_delay(Duration::from_secs(3600)));
    fill(&cache, "a", b"an image");
    serve(&cache, "a")?;
    assert_eq!(temp.records()["a"].hits, 0);
    cache.reconfigure(|options| options.hit_delay(Duration::ZERO))?;
    assert_eq!(temp.records()["a"].hits, 1);
    serve(&cache, "a")?;
    assert_eq!(temp.records()["a"].hits, 2);
    Ok(())
}

fn what_an_open_cache_has_opened_does_not_change(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let before = cache.config();
    let error = cache.reconfigure(|options| options.dir("/elsewhere").sqlite_db("other.db"));
    let words = error.expect_err("it is open").to_string();
    assert!(
        words.contains("image_cache_dir") && words.contains("image_cache_sqlite_db"),
        "{words}"
    );
    let error =
        cache.reconfigure(|options| options.hit_delay(Duration::from_secs(86_400)).max_size(7));
    assert!(error.expect_err("it is too long").to_string().contains("image_cache_hit_delay"));
    let error = cache.reconfigure(|options| options.driver("/missing.wasm").max_size(7));
    assert!(error.expect_err("there is no such driver").to_string().contains("missing.wasm"));
    assert_eq!((&cache.config(), cache.driver().name), (&before, temp.driver().to_owned()));
    fill(&cache, "a", b"an image");
    Ok(())
}

fn another_driver_takes_over_with_all_images_and_under_load(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let image = bytes(1, 100_000);
    for n in 0..20 {
        fill(&cache, &format!("image-{n}"), &image);
    }
    let other = if temp.driver() == "sqlite" { "xattr" } else { "sqlite" };
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            (0..200)
                .all(|n| serve(&cache, &format!("image-{}", n % 20)).is_ok_and(|it| it == image))
        });
        for driver in [other, temp.driver(), other] {
            assert_eq!(cache.reconfigure(|options| options.driver(driver))?.name, driver);
        }
        assert!(reader.join().expect("it does not panic"));
        Ok::<_, Error>(())
    })?;
    assert_eq!(cache.cached_images()?.len(), 20);
    assert_eq!(cache.driver().fallback, None);
    Ok(())
}

/// A driver that asks for its limits gets those of the change.
#[test]
fn a_driver_is_configured_again_with_the_new_limits() -> Tested {
    let temp = TempCache::new("sqlite");
    let cache = temp.open_with(|config| config.max_size(10_000));
    assert_eq!(cache.reconfigure(|options| options.driver("s3-fifo"))?.name, "s3-fifo");
    // The small queue has a tenth of the cache: the first image is larger and enters the main queue, the second one does not.
    fill(&cache, "first", &bytes(1, 1500));
    cache.reconfigure(|options| options.max_size(100_000))?;
    fill(&cache, "second", &bytes(2, 1500));
    let first_victim = |max_size| {
        cache.reconfigure(|options| options.max_size(max_size))?;
        Ok::<_, Error>(cache.plan_prune()?[0].image_id.to_string())
    };
    // The small queue is first unless the main one is above its share.
    assert_eq!(first_victim(2000)?, "second");
    assert_eq!(first_victim(1000)?, "first");
    Ok(())
}
