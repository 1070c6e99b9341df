//! Prune and clean run by themselves.

use super::origin::Origin;
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, until};

#[test]
fn a_fetch_that_makes_the_cache_too_large_has_it_pruned_at_once() -> Tested {
    let Some(setup) = Setup::new() else { return Ok(()) };
    let origin = Origin::start();
    for id in ["a", "b", "c"] {
        origin.add(id, bytes(1, 40_000));
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
    // It is counted when it is done, a moment later.
    assert!(until(|| service.number("image_cache_evictions_total") == Some(1.0)));
    Ok(())
}

#[test]
fn prune_and_clean_run_at_intervals() -> Tested {
    let Some(setup) = Setup::new() else { return Ok(()) };
    let origin = Origin::start();
    let arguments = ["--prune-every", "200ms", "--clean-every", "200ms"];
    let mut command = setup.serving(&origin.url(), &arguments);
    command.args(["--max-size", "12"]);
    let service = Service::start(command)?;
    // Another process fills the cache, and leaves something behind.
    let image = setup.file("image", "hello, you");
    for id in ["x", "y"] {
        setup.run(&["add", id, &image.display().to_string()])?;
    }
    std::fs::write(setup.dir().join("invalid/broken"), "half")?;
    assert!(until(|| service.cached() == ["y"]), "{}", service.log());
    assert!(until(|| setup.names("invalid").is_empty()), "{}", service.log());
    Ok(())
}
