//! What a driver learns of the service's requests, and what it shows: kinds, tenants, reasons and metrics.

use image_cache_tests::http::{GlanceOrigin, send};
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, until};

fn configuration(name: &str, component: &str, options: &str) -> String {
    format!(
        "image_cache_driver = {name:?}\n[drivers.{name}]\ncomponent = {component:?}\ngrants = [\"sql\"]\n\
         options = {{ {options} }}\nlimits = {{ guest_time = \"20s\", call_time = \"40s\" }}\n"
    )
}

fn start(setup: &Setup, origin: &GlanceOrigin, config: &str) -> Tested<Service> {
    let config = setup.file("cache.toml", config);
    let options = ["--hit-delay", "0", "--tenant-header", "X-Tenant", "--authorise", "never"];
    let mut command = setup.serving(&origin.url(), &options);
    command.arg("--config").arg(config);
    Service::start(command)
}

#[test]
fn a_driver_learns_the_kind_and_the_tenant_of_a_request() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    for (seed, id) in [(1, "fetched"), (2, "queued")] {
        origin.put(id, bytes(seed, 10_000));
    }
    setup.run(&["queue", "add", "queued"])?;
    let config = configuration("listener", env!("GUEST_LISTENER"), "");
    let service = start(&setup, &origin, &config)?;
    assert!(until(|| service.cached() == ["queued"]), "{}", service.log());
    let ask = |tenant: &str| {
        send(service.clients, "GET", "/v2/images/fetched/file", &[("X-Tenant", tenant)])
    };
    assert_eq!(ask("project-7")?.header("x-cache"), Some("miss"));
    assert!(until(|| service.cached().len() == 2));
    assert_eq!(ask("project-8")?.header("x-cache"), Some("hit"));
    for (name, labels, value) in [
        ("fetched_bytes", r#"kind="prefetch",tenant="""#, 10_000.0),
        ("fetched_bytes", r#"kind="client",tenant="project-7""#, 10_000.0),
        ("read_bytes", r#"kind="client",tenant="project-8""#, 10_000.0),
    ] {
        let name =
            format!("image_cache_driver_metric_{name}_total{{{labels},driver=\"listener\"}}");
        assert!(
            until(|| service.number(&name) == Some(value)),
            "{name}: {:?}",
            service.number(&name)
        );
    }
    Ok(())
}

#[test]
fn a_tenant_above_its_quota_is_served_and_the_log_says_why_nothing_is_cached() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    for (seed, id) in [(1, "one"), (2, "two")] {
        origin.put(id, bytes(seed, 10_000));
    }
    let config = configuration("quota", env!("GUEST_QUOTA"), "default-quota = \"15000\"");
    let service = start(&setup, &origin, &config)?;
    let ask = |id: &str, tenant: &str| {
        let target = format!("/v2/images/{id}/file");
        send(service.clients, "GET", &target, &[("X-Tenant", tenant)])
    };
    assert!(ask("one", "a")?.body == bytes(1, 10_000));
    assert!(until(|| service.cached() == ["one"]));
    assert!(ask("two", "a")?.body == bytes(2, 10_000), "the client gets its bytes");
    assert_eq!(service.cached(), ["one"]);
    assert!(service.logs("the tenant uses 10000 of 15000 bytes"), "{}", service.log());
    let refusals =
        r#"image_cache_driver_metric_quota_refusals_total{tenant="others",driver="quota"}"#;
    assert_eq!(service.number(refusals), Some(1.0));
    assert!(ask("two", "b")?.body == bytes(2, 10_000));
    assert!(until(|| service.cached() == ["one", "two"]));
    Ok(())
}

#[test]
fn the_prefetcher_states_why_the_driver_refuses_an_image() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("queued", bytes(1, 10_000));
    setup.run(&["queue", "add", "queued"])?;
    let config = configuration("listener", env!("GUEST_LISTENER"), "refuse-from = \"1000\"");
    let service = start(&setup, &origin, &config)?;
    let reason = || {
        let state = service.look("/prefetch");
        state["failed"][0]["reason"].as_str().map(str::to_owned)
    };
    assert!(until(|| reason().is_some()), "{}", service.log());
    let words = "driver listener does not want it: 10000 bytes are 9001 too many";
    assert!(reason().is_some_and(|reason| reason.contains(words)), "{:?}", reason());
    Ok(())
}
