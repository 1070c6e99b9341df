//! Queued images are fetched: in order, a limited number at a time, again after a failure, and never twice.

use image_cache_tests::http::{GlanceOrigin, Request, free_address};
use image_cache_tests::serving::{Service, Setup, replace};
use image_cache_tests::{Tested, bytes, md5_hex, until, wrong_md5};
use serde_json::{Value, json};

fn queue(service: &Service, ids: &[&str]) -> Tested {
    for id in ids {
        assert_eq!(service.manage("PUT", &format!("/v2/queued_images/{id}"))?.status, 200);
    }
    Ok(())
}

fn reason(service: &Service, id: &str) -> Option<String> {
    let state = service.look("/prefetch");
    let failed = state["failed"].as_array()?.iter().find(|failed| failed["image_id"] == id)?;
    Some(failed["reason"].as_str()?.to_owned())
}

#[test]
fn queued_images_are_fetched_in_their_order_and_two_at_a_time() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let ids = ["d", "b", "e", "a", "c"];
    for (n, id) in ids.iter().enumerate() {
        origin.put(id, bytes(n as u64, 50_000));
        origin.hold(id);
    }
    for id in ids {
        setup.run(&["queue", "add", id])?;
    }
    let service = setup.serve(&origin.url(), &[])?;
    for (n, id) in ids.iter().enumerate() {
        let mut expected = ids[n..ids.len().min(n + 2)].to_vec();
        expected.sort_unstable();
        let sending = || {
            let mut sending = origin.sending();
            sending.sort();
            sending
        };
        assert!(until(|| sending() == expected), "{:?}, not {expected:?}", sending());
        let running = || service.look("/prefetch")["running"].as_array().map(Vec::len);
        assert!(until(|| running() == Some(expected.len())), "{:?}", running());
        origin.release(id);
    }
    assert!(until(|| service.cached().len() == ids.len()));
    assert!(until(|| service.queued().is_empty()), "{}", service.log());
    assert_eq!(origin.most_at_once(), 2);
    let fetched = origin.fetched();
    assert_eq!(fetched.len(), ids.len(), "once each: {fetched:?}");
    for (n, id) in ids.iter().enumerate() {
        assert!(std::fs::read(setup.dir().join(id))? == bytes(n as u64, 50_000), "{id}");
    }
    Ok(())
}

#[test]
fn a_failed_fetch_has_a_reason_delays_no_other_and_is_tried_again() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    for (n, id) in ["later", "rotten", "inactive", "good"].into_iter().enumerate() {
        origin.put(id, bytes(n as u64, 20_000));
    }
    origin.change("later", |image| image.failures = 1);
    origin.change("rotten", |image| image.md5 = wrong_md5(&bytes(1, 20_000)));
    // As seen with an administrator's credentials: only the record shows that it must not be cached.
    origin.change("inactive", |image| (image.status, image.needs_active) = ("deactivated", false));
    let service = setup.serve(&origin.url(), &["--prefetch-at-once", "1"])?;
    queue(&service, &["gone", "later", "rotten", "inactive", "good"])?;

    assert!(until(|| service.cached().contains(&"good".to_owned())), "{}", service.log());
    for (id, words) in [
        ("gone", "404"),
        ("rotten", &*md5_hex(&bytes(1, 20_000))),
        ("inactive", "its status is deactivated, not active"),
    ] {
        assert!(until(|| reason(&service, id).is_some()), "{id}: {}", service.log());
        let reason = reason(&service, id).unwrap_or_default();
        assert!(reason.contains(words), "{id}: {reason}");
    }
    assert!(until(|| service.cached().contains(&"later".to_owned())), "{}", service.log());
    assert!(service.log().contains("503"), "{}", service.log());
    // Failed images stay in the queue, and are fetched when the upstream has them.
    assert_eq!(service.queued(), ["gone", "rotten", "inactive"]);
    origin.change("inactive", |image| image.status = "active");
    origin.change("rotten", |image| image.md5 = md5_hex(&bytes(1, 20_000)));
    assert!(until(|| service.queued() == ["gone"]), "{}", service.log());
    assert_eq!(service.cached(), ["good", "inactive", "later", "rotten"]);
    assert!(until(|| service.number("image_cache_prefetched_total") == Some(4.0)));
    assert!(service.number("image_cache_prefetch_failures_total") >= Some(4.0));
    Ok(())
}

#[test]
fn the_queue_survives_a_kill_in_the_middle_of_a_fetch() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    for id in ["one", "two"] {
        origin.put(id, bytes(3, 3_000_000));
        origin.hold(id);
    }
    let service = setup.serve(&origin.url(), &["--prefetch-at-once", "1"])?;
    queue(&service, &["one", "two"])?;
    assert!(until(|| origin.sending() == ["one"]));
    drop(service);
    origin.release("one");
    origin.release("two");
    let service = setup.serve(&origin.url(), &["--prefetch-at-once", "1"])?;
    assert!(until(|| service.cached() == ["one", "two"]), "{}", service.log());
    assert!(until(|| service.queued().is_empty()), "{}", service.log());
    assert!(std::fs::read(setup.dir().join("one"))? == bytes(3, 3_000_000));
    Ok(())
}

#[test]
fn an_image_that_is_removed_from_the_queue_is_not_fetched_to_its_end() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    for id in ["by-api", "by-command"] {
        origin.put(id, bytes(4, 3_000_000));
        origin.hold(id);
    }
    let service = setup.serve(&origin.url(), &[])?;
    queue(&service, &["by-api", "by-command"])?;
    assert!(until(|| origin.sending().len() == 2));
    assert_eq!(service.manage("DELETE", "/v2/cache/by-api")?.status, 204);
    assert!(until(|| origin.abandoned() == ["by-api"]), "{}", service.log());
    setup.run(&["queue", "remove", "by-command"])?;
    assert!(until(|| origin.abandoned().len() == 2), "{}", service.log());
    assert!(until(|| setup.names("incomplete").is_empty()));
    assert!(until(|| service.cached().is_empty() && service.queued().is_empty()));
    let idle = json!({"running": [], "failed": []});
    assert!(until(|| service.look("/prefetch") == idle), "{}", service.look("/prefetch"));
    // After it is queued again, it is fetched.
    origin.release("by-api");
    queue(&service, &["by-api"])?;
    assert!(until(|| service.cached() == ["by-api"]), "{}", service.log());
    Ok(())
}

#[test]
fn credentials_come_from_a_file_that_is_read_for_each_image_and_are_in_no_log() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    for id in ["one", "two"] {
        origin.put(id, bytes(5, 1000));
    }
    let file = setup.file("credentials", "first-swordfish\n");
    let mut command = setup.serving(&origin.url(), &["-vv"]);
    command.arg("--prefetch-credentials-file").arg(&file);
    let service = Service::start(command)?;
    queue(&service, &["one", "gone"])?;
    assert!(until(|| service.cached() == ["one"] && reason(&service, "gone").is_some()));
    let with = |headers: &[(&str, &str)]| {
        let requests = origin.requests();
        let of = |target: &str| {
            let has =
                |it: &Request| headers.iter().all(|(name, value)| it.header(name) == Some(value));
            requests.iter().any(|it| it.target == target && has(it))
        };
        (of("/v2/images/one") && of("/v2/images/one/file"), of("/v2/images/two/file"))
    };
    assert_eq!(with(&[("x-auth-token", "first-swordfish")]), (true, false));

    replace(&file, "Authorization: Basic second-swordfish\nX-Roles: reader\n")?;
    queue(&service, &["two"])?;
    assert!(until(|| service.cached() == ["one", "two"]));
    let second = [("authorization", "Basic second-swordfish"), ("x-roles", "reader")];
    assert_eq!(with(&second), (false, true));

    replace(&file, "Host: third-swordfish\n")?;
    queue(&service, &["three"])?;
    assert!(until(|| reason(&service, "three").is_some_and(|it| it.contains("no credential"))));
    let page = image_cache_tests::http::get(service.admin, "/prefetch")?.text();
    let (_, log) = service.stop()?;
    assert!(log.contains("fetched"), "it says much: {log}");
    assert!(!log.contains("swordfish") && !page.contains("swordfish"), "{log}");
    Ok(())
}

#[test]
fn credentials_can_come_from_the_environment() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(5, 1000));
    setup.run(&["queue", "add", "one"])?;
    let mut command = setup.command(&["-vv", "prefetch", "--upstream", &origin.url()]);
    command.env("IMAGE_CACHE_PREFETCH_CREDENTIALS", "env-swordfish");
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("swordfish"), "{said}");
    let shows = |it: &Request| it.headers.values().any(|value| value.contains("env-swordfish"));
    let shown = origin.requests().iter().all(shows);
    assert!(shown, "{:?}", origin.requests());
    let help = setup.run(&["prefetch", "--help"])?;
    assert!(help.contains("IMAGE_CACHE_PREFETCH_CREDENTIALS"), "{help}");
    Ok(())
}

#[test]
fn prefetch_does_one_round_and_reports_each_image() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let url = origin.url();
    let prefetch = || -> Tested<(Option<i32>, Value)> {
        let mut command = setup.command(&["--format", "json", "prefetch", "--upstream", &url]);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let answer = serde_json::from_slice(&output.stdout);
        Ok((output.status.code(), answer.map_err(|error| format!("{error}: {said}"))?))
    };
    assert_eq!(prefetch()?, (Some(0), json!([])));
    for id in ["b", "a"] {
        origin.put(id, bytes(6, 30_000));
        origin.change(id, |image| image.failures = 1);
        setup.run(&["queue", "add", id])?;
    }
    let cached = |id: &str| json!({"image_id": id, "cached": true, "reason": null});
    assert_eq!(prefetch()?, (Some(0), json!([cached("b"), cached("a")])));
    setup.run(&["queue", "add", "gone"])?;
    let (code, answer) = prefetch()?;
    assert_eq!((code, &answer[0]["cached"]), (Some(1), &json!(false)));
    assert!(answer[0]["reason"].as_str().is_some_and(|reason| reason.contains("404")), "{answer}");
    let nobody = format!("http://{}", free_address()?);
    let mut command = setup.command(&["--format", "json", "prefetch", "--upstream", &nobody]);
    let answer: Value = serde_json::from_slice(&command.output()?.stdout)?;
    let reason = answer[0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("the upstream cannot be reached"), "{answer}");
    assert!(!reason.contains("responded"), "{answer}");
    assert!(setup.run(&["queue", "list"])?.contains("gone"));
    assert!(setup.run(&["list"])?.contains("30000") || setup.run(&["list"])?.contains("29."));
    Ok(())
}

#[test]
fn an_image_passes_through_without_being_held_in_memory() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let size = 192 << 20;
    origin.put("large", vec![7; size]);
    let service = setup.serve(&origin.url(), &[])?;
    queue(&service, &["large"])?;
    assert!(until(|| service.cached() == ["large"]), "{}", service.log());
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("a peak")?;
    let peak: usize = peak.trim().trim_end_matches(" kB").parse()?;
    assert!(peak << 10 < size, "{peak} KiB");
    Ok(())
}
