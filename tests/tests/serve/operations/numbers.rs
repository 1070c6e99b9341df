//! The metrics of the service, its health, and a log with an id for each request.

use image_cache::{BuiltIn, ChecksumAlgorithm};
use image_cache_tests::http::{GlanceOrigin, get, send};
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, digest, until};
use serde_json::json;
use std::fs::File;
use std::os::unix::fs::FileExt;

#[test]
fn metrics_count_the_requests() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(1, 100_000));
    let service = setup.serve(&origin.url(), &[])?;
    for expected in ["miss", "hit", "hit"] {
        let answer = get(service.clients, "/v2/images/one/file")?;
        assert_eq!((answer.status, answer.header("x-cache")), (200, Some(expected)));
        assert!(answer.body == bytes(1, 100_000));
        assert!(until(|| service.cached() == ["one"]));
    }
    assert_eq!(get(service.clients, "/v2/images/nosuch")?.status, 404);
    for (name, value) in [
        (r#"image_cache_answers_total{cache="hit"}"#, 2.0),
        (r#"image_cache_answers_total{cache="miss"}"#, 1.0),
        (r#"image_cache_answers_total{cache="shared"}"#, 0.0),
        (r#"image_cache_answers_total{cache="bypass"}"#, 0.0),
        (r#"image_cache_answered_bytes_total{cache="hit"}"#, 200_000.0),
        (r#"image_cache_answered_bytes_total{cache="miss"}"#, 100_000.0),
        ("image_cache_hits_total", 2.0),
        ("image_cache_misses_total", 1.0),
        ("image_cache_shared_total", 0.0),
        ("image_cache_bypasses_total", 0.0),
        (r#"image_cache_bytes_total{source="upstream"}"#, 100_000.0),
        ("image_cache_fills_in_flight", 0.0),
        ("image_cache_fills_cached_total", 1.0),
        ("image_cache_evictions_total", 0.0),
        ("image_cache_checksum_failures_total", 0.0),
        ("image_cache_corrupt_blocks_total", 0.0),
        ("image_cache_driver_fallback", 0.0),
        ("image_cache_cached_images", 1.0),
        ("image_cache_cached_bytes", 100_000.0),
        ("image_cache_limit_bytes", 10_737_418_240.0),
        ("image_cache_queued_images", 0.0),
    ] {
        assert!(until(|| service.number(name) == Some(value)), "{name} {:?}", service.number(name));
    }
    // The client that started the fetch may have read the end from the cache.
    let cache = r#"image_cache_bytes_total{source="cache"}"#;
    assert!(service.number(cache) >= Some(200_000.0), "{:?}", service.number(cache));
    let page = get(service.admin, "/metrics")?;
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let page = page.text();
    for part in [
        "image_cache_least_recently_used_age_seconds ",
        "image_cache_driver_info{name=\"sqlite\",version=",
        "image_cache_driver_calls_total{operation=",
        "image_cache_driver_call_failures_total{operation=",
        "image_cache_driver_call_seconds_total{operation=",
        "image_cache_answers_by_status_total{class=\"4xx\"}",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // Each metric has a help text.
    for line in page.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).ok_or("a name")?;
        assert!(page.contains(&format!("# HELP {name} ")), "{name}");
    }
    Ok(())
}

#[test]
fn damage_and_fallback_show_in_the_numbers() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(1, 100_000));
    origin.put("lie", bytes(2, 1000));
    origin.change("lie", |image| image.md5 = "00000000000000000000000000000000".into());
    let mut command = setup.serving(&origin.url(), &[]);
    command.args(["--driver", "nosuch"]);
    let service = Service::start(command)?;
    get(service.clients, "/v2/images/one/file")?;
    assert!(until(|| service.cached() == ["one"]));
    // In place, because a rewritten file would be empty for a moment, which is another kind of damage.
    let file = File::options().write(true).open(setup.dir().join("one"))?;
    file.write_all_at(&[!bytes(1, 100_000)[50_000]], 50_000)?;
    assert!(get(service.clients, "/v2/images/one/file")?.body == bytes(1, 100_000));
    get(service.clients, "/v2/images/lie/file")?;
    for (name, value) in [
        ("image_cache_corrupt_blocks_total", 1.0),
        ("image_cache_corrupt_images_total", 1.0),
        ("image_cache_checksum_failures_total", 1.0),
        ("image_cache_driver_fallback", 1.0),
    ] {
        assert!(until(|| service.number(name) >= Some(value)), "{name}: {}", service.log());
    }
    let sha256 = digest(ChecksumAlgorithm::Sha256, BuiltIn::Sqlite.bytes());
    assert_eq!(
        service.look("/healthz"),
        json!({"status": "ok", "driver": {
            "name": "sqlite", "version": env!("CARGO_PKG_VERSION"), "sha256": sha256.value(),
            "in_place_of": "nosuch",
        }})
    );
    Ok(())
}

#[test]
fn health_is_bad_while_the_cache_cannot_be_read() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let service = setup.serve(&origin.url(), &[])?;
    assert_eq!(service.manage("GET", "/healthz")?.status, 200);
    std::fs::rename(setup.dir(), setup.path("away"))?;
    let answer = service.manage("GET", "/healthz")?;
    assert_eq!(answer.status, 503, "{answer:?}");
    std::fs::rename(setup.path("away"), setup.dir())?;
    assert!(until(|| service.manage("GET", "/healthz").is_ok_and(|answer| answer.status == 200)));
    Ok(())
}

#[test]
fn each_request_is_logged_under_an_id_that_its_client_knows() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(1, 1000));
    let service = setup.serve(&origin.url(), &[])?;
    let mine = [("X-OpenStack-Request-ID", "req-of-the-caller"), ("X-Auth-Token", "swordfish")];
    let answer = send(service.clients, "GET", "/v2/images/one/file", &mine)?;
    let id = answer.header("x-openstack-request-id").ok_or("an id")?.to_owned();
    let line = || {
        let log = service.log();
        log.lines().find(|line| line.contains(&id) && line.contains("answered")).map(str::to_owned)
    };
    assert!(until(|| line().is_some()), "{id}: {}", service.log());
    let line = line().unwrap_or_default();
    for part in [
        "caller=\"req-of-the-caller\"",
        "method=GET",
        "path=\"/v2/images/one/file\"",
        "status=200",
        "cache=\"miss\"",
        "bytes=1000",
        "ms=",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let other = get(service.clients, "/v2/images/nosuch/file?token=swordfish")?;
    assert_ne!(other.header("x-openstack-request-id"), Some(&*id));
    assert!(service.logs("status=404"));
    assert!(!service.log().contains("swordfish"), "{}", service.log());
    Ok(())
}

#[test]
fn the_log_can_be_json_with_the_request_in_each_line_about_it() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(1, 1000));
    let service = setup.serve(&origin.url(), &["--log-format", "json"])?;
    let answer = get(service.clients, "/v2/images/one/file")?;
    let id = answer.header("x-openstack-request-id").ok_or("an id")?;
    assert!(service.logs("answered"), "{}", service.log());
    let line = service.log().lines().find(|line| line.contains("answered")).map(str::to_owned);
    let line: serde_json::Value = serde_json::from_str(&line.unwrap_or_default())?;
    assert_eq!((&line["span"]["id"], &line["level"]), (&id.into(), &"INFO".into()));
    assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &1000.into()), "{line}");
    assert!(line["timestamp"].is_string());
    Ok(())
}
