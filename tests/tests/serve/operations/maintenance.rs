//! The service runs prune and clean by itself.

use image_cache_tests::http::{GlanceOrigin, get};
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, until};

#[test]
fn a_fetch_that_makes_the_cache_too_large_has_it_pruned_at_once() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    for id in ["a", "b", "c"] {
        origin.put(id, bytes(1, 40_000));
    }
    let mut command =
        setup.serving(&origin.url(), &["--prune-every", "0", "--prefetch-at-once", "1"]);
    command.args(["--max-size", "100000"]);
    let service = Service::start(command)?;
    for id in ["a", "b", "c"] {
        service.manage("PUT", &format!("/v2/cache/{id}"))?;
        assert!(until(|| service.queued().is_empty() && service.cached().contains(&id.to_owned())
            || id == "c"));
    }
    assert!(until(|| service.cached() == ["b", "c"]), "{:?}: {}", service.cached(), service.log());
    // It is counted when it is finished, a moment later.
    assert!(until(|| service.number("image_cache_evictions_total") == Some(1.0)));
    Ok(())
}

#[test]
fn prune_and_clean_run_at_intervals() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let arguments = ["--prune-every", "200ms", "--clean-every", "200ms"];
    let mut command = setup.serving(&origin.url(), &arguments);
    command.args(["--max-size", "12"]);
    let service = Service::start(command)?;
    // Another process fills the cache, and leaves a leftover.
    let image = setup.file("image", "hello, you");
    for id in ["x", "y"] {
        setup.run(&["add", id, &image.display().to_string()])?;
    }
    std::fs::write(setup.dir().join("invalid/broken"), "half")?;
    assert!(until(|| service.cached() == ["y"]), "{}", service.log());
    assert!(until(|| setup.names("invalid").is_empty()), "{}", service.log());
    Ok(())
}

#[test]
fn a_database_deleted_during_service_is_created_again_and_a_file_added_by_hand_is_listed() -> Tested
{
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let service = setup.serve(&origin.url(), &["--prune-every", "0"])?;
    for id in ["a", "b"] {
        origin.put(id, bytes(1, 40_000));
        get(service.clients, &format!("/v2/images/{id}/file"))?;
    }
    assert!(until(|| service.cached() == ["a", "b"]), "{}", service.log());
    for name in ["cache.db", "cache.db-wal", "cache.db-shm"] {
        let _ = std::fs::remove_file(setup.dir().join(name));
    }
    // Without any request.
    assert!(until(|| setup.dir().join("cache.db").is_file()), "{}", service.log());
    let answer = get(service.clients, "/v2/images/a/file")?;
    assert_eq!((answer.status, answer.header("x-cache")), (200, Some("hit")));
    assert_eq!(service.cached(), ["a", "b"]);
    assert!(service.logs("the database was removed or replaced while it was open"));
    std::fs::remove_file(setup.dir().join("cache.db"))?;
    assert_eq!(service.cached(), ["a", "b"]);
    assert_eq!(service.manage("POST", "/v2/cache/prune")?.status / 100, 2);
    std::fs::write(setup.dir().join("by-hand"), "an image")?;
    assert!(until(|| service.cached() == ["a", "b", "by-hand"]), "{}", service.log());
    assert_eq!(service.number("image_cache_driver_fallback"), Some(0.0));
    Ok(())
}

#[test]
fn an_emptied_database_is_created_again_and_other_programs_can_use_the_cache() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let service = setup.serve(&origin.url(), &["--prune-every", "0"])?;
    origin.put("a", bytes(1, 40_000));
    get(service.clients, "/v2/images/a/file")?;
    assert!(until(|| service.cached() == ["a"]), "{}", service.log());
    let database = setup.dir().join("cache.db");
    std::fs::File::options().write(true).open(&database)?.set_len(0)?;
    assert!(until(|| database.metadata().is_ok_and(|file| file.len() > 0)), "{}", service.log());
    assert!(setup.run(&["list"])?.contains('a'));
    assert_eq!(service.cached(), ["a"]);
    let answer = get(service.clients, "/v2/images/a/file")?;
    assert_eq!((answer.status, answer.header("x-cache")), (200, Some("hit")));
    Ok(())
}

#[test]
fn a_fetch_that_makes_the_images_too_many_has_them_pruned_at_once_and_numbers_tell_the_bound()
-> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let mut command = setup.serving(&origin.url(), &["--prune-every", "0"]);
    command.env("IMAGE_CACHE_MAX_IMAGES", "2").args(["--min-free-inodes", "10"]);
    let service = Service::start(command)?;
    for id in ["a", "b", "c"] {
        origin.put(id, bytes(1, 4000));
        get(service.clients, &format!("/v2/images/{id}/file"))?;
        assert!(until(|| service.cached().contains(&id.to_owned())), "{}", service.log());
    }
    assert!(until(|| service.cached() == ["b", "c"]), "{:?}: {}", service.cached(), service.log());
    assert_eq!(service.number("image_cache_limit_images"), Some(2.0));
    assert_eq!(service.number("image_cache_min_free_inodes"), Some(10.0));
    let counts = rustix::fs::statvfs(setup.dir())?.f_files > 0;
    assert_eq!(service.number("image_cache_free_inodes").is_some_and(|free| free > 10.0), counts);
    Ok(())
}
