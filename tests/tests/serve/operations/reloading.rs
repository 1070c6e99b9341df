//! A driver's component is replaced while the service runs: SIGHUP and `POST /driver/reload` change over without losing a hit, or
//! keep the old driver and say why.

use image_cache::BuiltIn;
use image_cache_tests::http::{GlanceOrigin, get};
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, until};
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
        command.arg("--config").arg(config);
        let service = Service::start(command)?;
        Ok(Reloaded { setup, component, service, _origin: origin })
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

    /// The record of the image.
    fn record(&self) -> Value {
        self.service.look("/v2/cache")["cached_images"][0].clone()
    }
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
