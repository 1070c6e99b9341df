//! A driver's component is replaced while the service runs: SIGHUP and `POST /driver/reload` change over without losing a hit, or
//! keep the old driver and say why. Until then `status` shows what runs, and no other process changes its database.

use image_cache::{BuiltIn, ChecksumAlgorithm};
use image_cache_tests::http::{GlanceOrigin, get};
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, digest, until};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A service whose driver is a file.
struct Reloaded {
    setup: Setup,
    component: PathBuf,
    config: String,
    service: Service,
    _origin: GlanceOrigin,
}

impl Reloaded {
    fn start() -> Tested<Reloaded> {
        let setup = Setup::new();
        let origin = GlanceOrigin::start();
        origin.put("one", bytes(1, 10_000));
        let component = setup.path("mine.wasm");
        fs::write(&component, BuiltIn::Gdsf.bytes())?;
        let config = setup.file(
            "cache.toml",
            "image_cache_driver = \"mine\"\n[drivers.mine]\ncomponent = \"mine.wasm\"\n\
             grants = [\"sql\"]\nlimits = { guest_time = \"20s\", call_time = \"40s\" }\n",
        );
        let mut command = setup.serving(&origin.url(), &["--hit-delay", "0"]);
        command.arg("--config").arg(&config);
        let service = Service::start(command)?;
        let config = config.display().to_string();
        Ok(Reloaded { setup, component, config, service, _origin: origin })
    }

    fn replace(&self, component: &[u8]) -> Tested {
        let new = self.setup.path("new.wasm");
        fs::write(&new, component)?;
        Ok(fs::rename(new, &self.component)?)
    }

    fn get(&self) -> Tested {
        let answer = get(self.service.clients, "/v2/images/one/file")?;
        assert!(answer.status == 200 && answer.body == bytes(1, 10_000));
        Ok(())
    }

    /// Runs a command on the same cache, with the same configuration.
    fn run(&self, arguments: &[&str]) -> Tested<String> {
        self.setup.run(&[&["--config", self.config.as_str()][..], arguments].concat())
    }

    fn status(&self) -> Tested<Value> {
        Ok(serde_json::from_str(&self.run(&["--format", "json", "status"])?)?)
    }

    /// Checks that `status` and `/healthz` name this component as the one that the service uses.
    #[track_caller]
    fn runs(&self, own_name: &str, component: &[u8]) -> Tested<Value> {
        let status = self.status()?;
        let digest = Value::from(hex(component));
        let [running] = status["running"].as_array().map_or(&[][..], Vec::as_slice) else {
            return Err(format!("not one process: {status}").into());
        };
        let driver = &running["driver"];
        assert_eq!(running["process"], self.service.pid(), "{status}");
        assert_eq!((&driver["configured"], &driver["name"]), (&"mine".into(), &"mine".into()));
        assert_eq!((&driver["own_name"], &driver["sha256"]), (&own_name.into(), &digest));
        assert_eq!(driver["fallback"], Value::Null);
        assert_eq!(self.service.look("/healthz")["driver"]["sha256"], digest);
        Ok(status)
    }

    /// The databases that were moved away from another driver.
    fn moved_away(&self) -> usize {
        let names = self.setup.names(".image-cache");
        let is_side_file = |name: &str| name.ends_with("-wal") || name.ends_with("-shm");
        let moved = names.iter().filter(|name| name.starts_with("mine.db.of-another-driver-"));
        moved.filter(|name| !is_side_file(name)).count()
    }

    /// The record of the image.
    fn record(&self) -> Value {
        self.service.look("/v2/cache")["cached_images"][0].clone()
    }
}

/// The SHA-256 of these bytes.
fn hex(bytes: &[u8]) -> String {
    digest(ChecksumAlgorithm::Sha256, bytes).value().to_owned()
}

/// Another build of the same driver: a custom section at the end makes it another component.
fn another_build(component: &[u8]) -> Vec<u8> {
    [component, &[0, 5, 4], b"mark"].concat()
}

#[test]
fn a_new_build_of_a_driver_is_used_after_a_reload_under_load_and_no_hit_is_lost() -> Tested {
    let reloaded = Reloaded::start()?;
    reloaded.get()?;
    assert!(until(|| reloaded.service.cached() == ["one"]));
    let is_over = AtomicBool::new(false);
    let hits = thread::scope(|scope| -> Tested<u64> {
        let reading = scope.spawn(|| {
            let mut hits = 0;
            while !is_over.load(Ordering::Relaxed) {
                reloaded.get().expect("it is served all the time");
                hits += 1;
            }
            hits
        });
        for _ in 0..3 {
            reloaded.replace(BuiltIn::Gdsf.bytes())?;
            let answer = reloaded.service.manage("POST", "/driver/reload")?;
            assert_eq!((answer.status, &answer.json()["name"]), (200, &"mine".into()));
        }
        is_over.store(true, Ordering::Relaxed);
        Ok(reading.join().expect("it reads"))
    })?;
    assert!(until(|| reloaded.record()["hits"] == hits), "{}, {hits}", reloaded.record());
    assert!(!reloaded.service.log().contains("moved away"), "{}", reloaded.service.log());
    Ok(())
}

#[test]
fn a_driver_that_cannot_be_loaded_again_leaves_the_old_one_in_use() -> Tested {
    let reloaded = Reloaded::start()?;
    reloaded.get()?;
    assert!(until(|| reloaded.service.cached() == ["one"]));
    reloaded.replace(b"not a component")?;
    let answer = reloaded.service.manage("POST", "/driver/reload")?;
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.text().contains("it is text, not a WebAssembly component"), "{}", answer.text());
    reloaded.service.signal(Signal::HUP)?;
    assert!(reloaded.service.logs("the driver cannot be loaded again; the one in use stays"));
    reloaded.get()?;
    assert!(until(|| reloaded.record()["hits"] == 1), "{}", reloaded.record());
    let health = reloaded.service.look("/healthz");
    assert_eq!(
        (&health["driver"]["name"], &health["driver"]["in_place_of"]),
        (&"mine".into(), &Value::Null)
    );
    reloaded.replace(BuiltIn::Gdsf.bytes())?;
    reloaded.service.signal(Signal::HUP)?;
    assert!(reloaded.service.logs("loaded the driver again"));
    Ok(())
}

#[test]
fn another_driver_gets_a_database_of_its_own_and_the_images_stay() -> Tested {
    let reloaded = Reloaded::start()?;
    reloaded.get()?;
    assert!(until(|| reloaded.service.cached() == ["one"]));
    reloaded.get()?;
    reloaded.replace(BuiltIn::Sieve.bytes())?;
    assert_eq!(reloaded.service.manage("POST", "/driver/reload")?.status, 200);
    assert!(reloaded.service.logs("the database belongs to another driver and was moved away"));
    assert_eq!(reloaded.service.cached(), ["one"]);
    let aside = reloaded.setup.names(".image-cache");
    assert!(aside.iter().any(|name| name.starts_with("mine.db.of-another-driver-")), "{aside:?}");
    Ok(())
}

#[test]
fn status_shows_what_runs_while_the_file_of_the_driver_is_bad() -> Tested {
    let reloaded = Reloaded::start()?;
    let status = reloaded.runs("gdsf", BuiltIn::Gdsf.bytes())?;
    assert_eq!(status["driver"]["fallback"], Value::Null);
    reloaded.replace(b"not a component")?;
    for signalled in [false, true] {
        if signalled {
            reloaded.service.signal(Signal::HUP)?;
            assert!(reloaded.service.logs("cannot be loaded again; the one in use stays"));
        }
        let status = reloaded.runs("gdsf", BuiltIn::Gdsf.bytes())?;
        assert_eq!(status["driver"]["fallback"]["configured"], "mine");
        assert_eq!(status["last_fallback"], Value::Null, "the service uses the driver");
        let table = reloaded.run(&["status"])?;
        let running = format!("in process {} since", reloaded.service.pid());
        assert!(table.contains(&running) && table.contains("mine (gdsf "), "{table}");
        assert!(table.contains("would not load") && !table.contains("FALLBACK"), "{table}");
    }
    let Reloaded { setup, config, service, component, _origin } = reloaded;
    service.stop()?;
    assert_eq!(setup.names(".image-cache/running"), <[String; 0]>::default());
    let again = setup.run(&["--config", &config, "--format", "json", "status"])?;
    let again: Value = serde_json::from_str(&again)?;
    assert_eq!(again["running"], serde_json::json!([]));
    fs::write(component, BuiltIn::Gdsf.bytes())?;
    let last = setup.run(&["--config", &config, "--format", "json", "status"])?;
    let last: Value = serde_json::from_str(&last)?;
    assert_eq!(last["last_fallback"]["configured"], "mine", "nothing ran then");
    Ok(())
}

#[test]
fn another_build_runs_after_sighup_and_not_before() -> Tested {
    let reloaded = Reloaded::start()?;
    let new = another_build(BuiltIn::Gdsf.bytes());
    reloaded.replace(&new)?;
    let status = reloaded.runs("gdsf", BuiltIn::Gdsf.bytes())?;
    assert_eq!(status["driver"]["sha256"], hex(&new), "the command loads the file");
    reloaded.service.signal(Signal::HUP)?;
    assert!(reloaded.service.logs("loaded the driver again"));
    reloaded.runs("gdsf", &new)?;
    assert_eq!(reloaded.moved_away(), 0);
    Ok(())
}

#[test]
fn no_command_takes_the_database_of_a_running_driver_for_another_one() -> Tested {
    let reloaded = Reloaded::start()?;
    reloaded.get()?;
    assert!(until(|| reloaded.service.cached() == ["one"]));
    reloaded.get()?;
    reloaded.replace(BuiltIn::Sieve.bytes())?;
    let status = reloaded.runs("gdsf", BuiltIn::Gdsf.bytes())?;
    let reason = status["driver"]["fallback"]["reason"].as_str().unwrap_or_default();
    let words = format!("which process {} uses now", reloaded.service.pid());
    assert!(
        reason.contains("belongs to the driver \"gdsf\"") && reason.contains(&words),
        "{reason}"
    );
    assert_eq!(status["last_fallback"], Value::Null);
    reloaded.run(&["list"])?;
    assert_eq!(reloaded.moved_away(), 0);
    reloaded.get()?;
    assert!(until(|| reloaded.record()["hits"] == 2), "{}", reloaded.record());
    reloaded.service.signal(Signal::HUP)?;
    assert!(reloaded.service.logs("loaded the driver again"));
    assert_eq!(reloaded.moved_away(), 1);
    let status = reloaded.runs("sieve", BuiltIn::Sieve.bytes())?;
    assert_eq!(status["driver"]["fallback"], Value::Null);
    Ok(())
}
