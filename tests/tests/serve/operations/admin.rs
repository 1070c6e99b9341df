//! The cache management API that Glance's clients use: status codes, bodies, and permissions.

use image_cache_tests::http::{self, GlanceOrigin, send};
use image_cache_tests::serving::{Service, Setup, refused, replace};
use image_cache_tests::{Tested, bytes, until};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Waits until exactly these images are cached.
fn wait_for_cached(service: &Service, ids: &[&str]) {
    assert!(until(|| service.cached() == ids), "{:?}: {}", service.cached(), service.log());
}

#[test]
fn an_image_is_queued_fetched_listed_and_deleted_with_glance_s_answers() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("a-1", bytes(1, 70_000));
    let service = setup.serve(&origin.url(), &[])?;
    let empty = json!({"cached_images": [], "queued_images": []});
    assert_eq!(service.look("/v2/cache"), empty);

    let queued = service.manage("PUT", "/v2/cache/a-1")?;
    assert_eq!((queued.status, queued.text()), (202, String::new()));
    wait_for_cached(&service, &["a-1"]);
    let listed = service.look("/v2/cache");
    assert_eq!(listed["queued_images"], json!([]));
    let image = &listed["cached_images"][0];
    let names: Vec<&String> = image.as_object().ok_or("an object")?.keys().collect();
    assert_eq!(names, ["hits", "image_id", "last_accessed", "last_modified", "size"]);
    assert_eq!(
        (&image["image_id"], &image["size"], &image["hits"]),
        (&json!("a-1"), &json!(70_000), &json!(0))
    );
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64();
    for time in ["last_accessed", "last_modified"] {
        let seconds = image[time].as_f64().ok_or("a number")?;
        assert!((now - seconds).abs() < 300.0, "{time}: {seconds}");
    }

    let deleted = service.manage("DELETE", "/v2/cache/a-1")?;
    assert_eq!((deleted.status, deleted.text()), (204, String::new()));
    assert_eq!(service.look("/v2/cache"), empty);
    // The upstream still has it, which is sufficient for Glance.
    assert_eq!(service.manage("DELETE", "/v2/cache/a-1")?.status, 204);
    Ok(())
}

#[test]
fn a_failed_queueing_or_deletion_has_glance_s_status() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("queued", bytes(1, 10));
    origin.change("queued", |image| image.status = "queued");
    let service = setup.serve(&origin.url(), &[])?;
    for (method, path, status, words) in [
        ("PUT", "/v2/cache/nosuch", 404, "Image nosuch not found."),
        (
            "PUT",
            "/v2/cache/queued",
            400,
            "Only images with status active can be targeted for queueing",
        ),
        ("PUT", "/v2/cache/..%2Fetc%2Fpasswd", 404, "Image ../etc/passwd not found."),
        ("PUT", "/v2/cache/cache.db", 404, "Image cache.db not found."),
        ("DELETE", "/v2/cache/nosuch", 404, "Image nosuch not found."),
        ("DELETE", "/v2/cache/.hidden", 404, "Image .hidden not found."),
        ("GET", "/v2/cache/nodes/queued", 409, "Centralized caching is not enabled"),
        ("GET", "/v2/cache/queued", 405, "The method GET is not allowed for this resource."),
        ("POST", "/v2/cache", 405, "The method POST is not allowed for this resource."),
        ("GET", "/v2/cache/prune", 405, "The method GET is not allowed for this resource."),
        ("GET", "/v2/images", 404, "The resource could not be found."),
        ("PUT", "/v2/queued_images/.hidden", 400, "image id"),
    ] {
        let answer = service.manage(method, path)?;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert!(answer.text().contains(words), "{method} {path}: {answer:?}");
        let as_json = send(service.admin, method, path, &[("Accept", "application/json")])?;
        let told = as_json.json();
        assert!(told["message"].as_str().is_some_and(|said| said.contains(words)), "{told}");
        assert!(told["code"].as_str().is_some_and(|code| code.starts_with(&status.to_string())));
    }
    let page = service.manage("DELETE", "/v2/cache/%3Cscript%3E")?;
    assert!(page.text().contains("Image &lt;script&gt; not found."), "{page:?}");
    let allowed = service.manage("POST", "/v2/cache")?;
    assert_eq!(allowed.header("allow"), Some("GET,HEAD,DELETE"));
    assert_eq!(service.look("/v2/cache"), json!({"cached_images": [], "queued_images": []}));
    Ok(())
}

#[test]
fn the_older_paths_answer_as_glance_s_middleware_does() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let service = setup.serve(&origin.url(), &["--prefetch-at-once", "0"])?;
    for id in ["c", "a", "b"] {
        let queued = service.manage("PUT", &format!("/v2/queued_images/{id}"))?;
        assert_eq!((queued.status, queued.json()), (200, Value::Null));
    }
    assert_eq!(service.look("/v2/queued_images"), json!({"queued_images": ["c", "a", "b"]}));
    assert_eq!(service.manage("DELETE", "/v2/queued_images/a")?.json(), Value::Null);
    assert_eq!(service.manage("DELETE", "/v2/queued_images/nosuch")?.status, 200);
    assert_eq!(service.queued(), ["c", "b"]);
    let deleted = service.manage("DELETE", "/v2/queued_images")?;
    assert_eq!((deleted.status, deleted.json()), (200, json!({"num_deleted": 2})));

    let image = setup.file("image", "hello");
    for id in ["x", "y"] {
        setup.run(&["add", id, &image.display().to_string()])?;
    }
    assert_eq!(service.cached(), ["x", "y"]);
    assert_eq!(service.manage("DELETE", "/v2/cached_images/x")?.json(), Value::Null);
    assert_eq!(service.manage("DELETE", "/v2/cached_images/nosuch")?.status, 200);
    assert_eq!(service.manage("DELETE", "/v2/cached_images")?.json(), json!({"num_deleted": 1}));
    assert!(service.cached().is_empty());
    Ok(())
}

#[test]
fn clearing_takes_cache_queue_or_both() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let service = setup.serve(&origin.url(), &["--prefetch-at-once", "0"])?;
    let image = setup.file("image", "hello");
    let fill = || -> Tested {
        setup.run(&["add", "x", &image.display().to_string()])?;
        service.manage("PUT", "/v2/queued_images/y")?;
        Ok(())
    };
    for (target, cached, queued) in
        [(Some("cache"), 0, 1), (Some("Queue"), 1, 0), (Some(""), 0, 0), (None, 0, 0)]
    {
        fill()?;
        let header = target.map(|target| ("x-image-cache-clear-target", target));
        let cleared = send(service.admin, "DELETE", "/v2/cache", header.as_slice())?;
        assert_eq!((cleared.status, cleared.text()), (204, String::new()), "{target:?}");
        assert_eq!(
            (service.cached().len(), service.queued().len()),
            (cached, queued),
            "{target:?}"
        );
    }
    fill()?;
    let wrong = [("x-image-cache-clear-target", "both")];
    let refused = send(service.admin, "DELETE", "/v2/cache", &wrong)?;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("must be cache, queue or empty"), "{refused:?}");
    assert_eq!((service.cached().len(), service.queued().len()), (1, 1));
    Ok(())
}

#[test]
fn prune_and_clean_are_done_when_asked_for() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let mut command = setup.serving(&origin.url(), &["--prune-every", "0", "--clean-every", "0"]);
    let service = Service::start({
        command.args(["--max-size", "12"]);
        command
    })?;
    let image = setup.file("image", "hello, you");
    for id in ["x", "y"] {
        setup.run(&["add", id, &image.display().to_string()])?;
    }
    std::fs::write(setup.dir().join("invalid/broken"), "half")?;
    let pruned = service.manage("POST", "/v2/cache/prune")?;
    assert_eq!(
        (pruned.status, pruned.json()),
        (200, json!({"total_files_pruned": 1, "total_bytes_pruned": 10}))
    );
    assert_eq!(service.cached(), ["y"]);
    let cleaned = service.manage("POST", "/v2/cache/clean")?;
    assert_eq!((cleaned.status, cleaned.text()), (200, String::new()));
    assert!(setup.names("invalid").is_empty());
    Ok(())
}

#[test]
fn versions_say_that_the_cache_can_be_managed() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let service = setup.serve(&origin.url(), &[])?;
    let versions = service.look("/versions");
    let known = |id: &str| {
        let versions = versions["versions"].as_array().into_iter().flatten();
        versions.into_iter().any(|version| {
            version["id"] == id
                && ["CURRENT", "SUPPORTED"].iter().any(|it| version["status"] == *it)
        })
    };
    assert!(known("v2.14") && known("v2.18"), "{versions}");
    assert_eq!(
        versions["versions"][0]["links"][0]["href"],
        json!(format!("http://{}/v2/", service.admin))
    );
    assert_eq!(service.manage("GET", "/")?.status, 300);
    Ok(())
}

#[test]
fn a_listener_that_is_not_on_loopback_needs_a_token() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let open = setup.serving(&origin.url(), &["--admin-listen", "0.0.0.0:0"]);
    let (code, said) = refused(open)?;
    assert_ne!(code, Some(0));
    assert!(said.contains("--admin-token-file"), "{said}");

    let empty = setup.file("empty", "\n");
    let mut command = setup.serving(&origin.url(), &[]);
    command.arg("--admin-token-file").arg(&empty);
    let (_, said) = refused(command)?;
    assert!(said.contains("empty"), "{said}");

    let mut command = setup.serving(&origin.url(), &["--admin-listen", "0.0.0.0:0"]);
    command.env("IMAGE_CACHE_ADMIN_TOKEN", "swordfish");
    assert_asks_for_a_token(&Service::start(command)?, "swordfish")
}

/// Also on loopback, if a token is configured.
fn assert_asks_for_a_token(service: &Service, token: &str) -> Tested {
    let server = ([127, 0, 0, 1], service.admin.port()).into();
    for path in ["/v2/cache", "/metrics", "/prefetch", "/v2/queued_images", "/v2/schemas/image"] {
        assert_eq!(http::get(server, path)?.status, 401, "{path}");
        let longer = format!("{token}x");
        for wrong in ["", "x", &token[1..], &longer] {
            let answer = send(server, "GET", path, &[("X-Auth-Token", wrong)])?;
            assert_eq!(answer.status, 401, "{path} {wrong:?}");
            assert!(!answer.text().contains(token));
        }
    }
    let bearer = format!("Bearer {token}");
    for header in [("X-Auth-Token", token), ("Authorization", &bearer)] {
        assert_eq!(send(server, "GET", "/v2/cache", &[header])?.status, 200, "{header:?}");
    }
    for open in ["/versions", "/healthz"] {
        assert_eq!(http::get(server, open)?.status, 200, "{open}");
    }
    assert!(!service.log().contains(token), "{}", service.log());
    Ok(())
}

#[test]
fn a_replaced_token_is_used_after_a_reload_and_an_invalid_one_is_not() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let file = setup.file("token", "first-token\n");
    let mut command = setup.serving(&origin.url(), &[]);
    command.arg("--admin-token-file").arg(&file);
    let service = Service::start(command)?;
    assert_asks_for_a_token(&service, "first-token")?;

    replace(&file, "second-token\n")?;
    assert_asks_for_a_token(&service, "first-token")?;
    service.signal(Signal::HUP)?;
    assert!(service.logs("read secrets and certificates again"));
    assert_asks_for_a_token(&service, "second-token")?;

    replace(&file, "")?;
    service.signal(Signal::HUP)?;
    assert!(service.logs("stays as it was"), "{}", service.log());
    assert_asks_for_a_token(&service, "second-token")
}
