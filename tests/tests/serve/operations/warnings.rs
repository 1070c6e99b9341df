//! What the service reports of its driver and its pins although no request fails, and how often.

use image_cache_tests::components::{FAULTY, LISTENER};
use image_cache_tests::http::{GlanceOrigin, get};
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, until};
use serde_json::Value;

fn start(setup: &Setup, origin: &GlanceOrigin, component: &str, options: &str) -> Tested<Service> {
    let text = format!(
        "image_cache_driver = \"mine\"\n[drivers.mine]\ncomponent = {component:?}\ngrants = [\"sql\"]\n\
         options = {{ {options} }}\nlimits = {{ guest_time = \"20s\", call_time = \"40s\" }}\n"
    );
    let config = setup.file("cache.toml", &text);
    let mut command = setup.serving(&origin.url(), &["--hit-delay", "0"]);
    command.arg("--config").arg(config);
    Service::start(command)
}

fn origin_with(ids: &[&str]) -> GlanceOrigin {
    let origin = GlanceOrigin::start();
    for id in ids {
        origin.put(id, bytes(1, 10_000));
    }
    origin
}

fn fetch(service: &Service, id: &str) -> Tested {
    let answer = get(service.clients, &format!("/v2/images/{id}/file"))?;
    assert!(answer.status == 200 && answer.body == bytes(1, 10_000));
    Ok(())
}

fn lines(service: &Service, words: &str) -> usize {
    service.log().lines().filter(|line| line.contains(words)).count()
}

#[test]
fn images_that_the_driver_does_not_list_are_marked_in_the_lists() -> Tested {
    let (setup, origin) = (Setup::new(), origin_with(&["one"]));
    let service = start(&setup, &origin, FAULTY, "fault = \"ignore\"")?;
    fetch(&service, "one")?;
    assert!(until(|| service.cached() == ["one"]), "{}", service.log());
    for path in ["/v2/cache", "/v2/cached_images"] {
        let image = &service.look(path)["cached_images"][0];
        assert_eq!((&image["image_id"], &image["recorded"]), (&"one".into(), &false.into()));
    }
    Ok(())
}

#[test]
fn events_that_the_driver_refuses_are_a_warning_once_a_minute() -> Tested {
    let (setup, origin) = (Setup::new(), origin_with(&["one"]));
    let service = start(&setup, &origin, LISTENER, "fail = \"events\"")?;
    fetch(&service, "one")?;
    assert!(until(|| service.cached() == ["one"]), "{}", service.log());
    for _ in 0..3 {
        fetch(&service, "one")?;
    }
    assert!(until(|| service.look("/v2/cache")["cached_images"][0]["hits"] == 3));
    let failures = "image_cache_driver_call_failures_total{operation=\"tell what happened\"}";
    assert!(service.number(failures) >= Some(3.0), "{:?}", service.number(failures));
    assert_eq!(lines(&service, "the driver was not told"), 1, "{}", service.log());
    assert!(service.log().contains("as configured"), "{}", service.log());
    Ok(())
}

#[test]
fn pins_that_keep_the_cache_large_are_a_warning_once_for_each_change() -> Tested {
    let (setup, origin) = (Setup::new(), origin_with(&["one", "two"]));
    let service = setup.serve(&origin.url(), &["--max-size", "0"])?;
    for (pinned, id) in (1..).zip(["one", "two"]) {
        setup.run(&["pin", "add", id])?;
        fetch(&service, id)?;
        assert!(until(|| service.cached().len() == pinned), "{}", service.log());
        for _ in 0..3 {
            let pruned = service.manage("POST", "/v2/cache/prune")?;
            assert_eq!(pruned.json()["total_files_pruned"], Value::from(0));
        }
        let warnings = lines(&service, "because images are pinned");
        assert_eq!(warnings, pinned, "{}", service.log());
    }
    Ok(())
}
