//! Simulations of real components: what they decide is what the reference of the same policy decides, and a driver that lies or
//! fails ends its simulation with an error that names the fault.

use image_cache::{Config, DriverConfig, Grant};
use image_cache_simulate::{ComponentPolicy, Outcome, Reference, Trace, TraceOptions, simulate};
use image_cache_tests::Tested;
use image_cache_tests::hostile::hostile;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// A trace of popular and of rare images from a seed.
fn trace(seed: u64, requests: u64, unit: u64) -> Tested<Trace> {
    let mut state = seed | 1;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let sizes: Vec<u64> = (0..400).map(|_| (1 + random(50)) * unit).collect();
    let mut csv = String::from("time,id,size\n");
    for at in 0..requests {
        // The product of two random numbers prefers small ones.
        let image = random(400) * random(400) / 400;
        writeln!(csv, "{at},image-{image},{}", sizes[image as usize])?;
    }
    Ok(Trace::read(csv.as_bytes(), &TraceOptions::default())?)
}

fn seed() -> Tested<u64> {
    let seed = match std::env::var("SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos().into(),
    };
    println!("SEED={seed}");
    Ok(seed)
}

/// A component that may use SQL.
pub fn granted_sql(component: &str) -> DriverConfig {
    let mut driver = DriverConfig::new(component);
    driver.grants.insert(Grant::Sql);
    driver
}

/// The simulation of a driver with this configuration, or of a built-in one.
pub fn component(
    name: &str,
    driver: Option<DriverConfig>,
    trace: &Trace,
    size: u64,
) -> Tested<Outcome> {
    let mut config = Config::builder("/nowhere").driver(name);
    if let Some(driver) = driver {
        config = config.define_driver(name, driver);
    }
    let mut policy = ComponentPolicy::load(name, &config.build()?, trace, size)?;
    Ok(simulate(trace, &mut policy, size)?)
}

/// The outcome without the calls, which a reference does not have.
fn decisions(outcome: Outcome) -> Outcome {
    Outcome { calls: 0, call_seconds: 0.0, ..outcome }
}

fn agrees(name: &str, driver: Option<DriverConfig>, reference: Reference, unit: u64) -> Tested {
    let trace = trace(seed()?, 3000, unit)?;
    for images in [3, 30, 120] {
        let size = images * 25 * unit;
        let expected = simulate(&trace, &mut *reference.policy(&trace, size), size)?;
        let outcome = component(name, driver.clone(), &trace, size)?;
        assert!(outcome.calls > 1000 && outcome.evictions > 0, "{outcome:?}");
        assert_eq!(decisions(outcome), expected, "{name}, {images} images");
    }
    Ok(())
}

#[test]
fn the_built_in_drivers_decide_like_lru() -> Tested {
    agrees("sqlite", None, Reference::Lru, 1000)?;
    agrees("xattr", None, Reference::Lru, 1000)
}

#[test]
fn gdsf_decides_like_its_paper() -> Tested {
    agrees("gdsf", None, Reference::Gdsf, 1000)?;
    agrees("mine", Some(granted_sql(env!("GUEST_GDSF"))), Reference::Gdsf, 1000)
}

#[test]
fn sieve_decides_like_its_paper() -> Tested {
    agrees("sieve", None, Reference::Sieve, 1000)
}

#[test]
fn s3_fifo_decides_like_its_paper() -> Tested {
    let mut refuses = DriverConfig::default();
    refuses.options.insert("large".into(), "refuse".into());
    agrees("s3-fifo", Some(refuses), Reference::S3Fifo, 1000)
}

fn hostile_outcome(name: &str, trace: &Trace) -> Result<Outcome, String> {
    let scratch = TempDir::new().expect("a directory");
    let mut driver = hostile(name, &scratch);
    driver.options.retain(|option, _| option != "in");
    component("tried", Some(driver), trace, 2000).map_err(|error| error.to_string())
}

#[test]
fn a_driver_that_lies_about_victims_ends_its_simulation() -> Tested {
    let trace = trace(7, 300, 10)?;
    for name in ["names_victims_that_are_not_cached", "hides_victims_among_strangers"] {
        match hostile_outcome(name, &trace) {
            Err(words) => assert!(words.contains("which is not in the cache"), "{name}: {words}"),
            Ok(outcome) => assert!(outcome.requests == 300, "{name}: {outcome:?}"),
        }
    }
    let error = hostile_outcome("names_victims_that_are_not_cached", &trace);
    assert!(error.is_err(), "{error:?}");
    let none = hostile_outcome("names_no_victim", &trace)?;
    assert!(none.evictions == 0 && none.refused > 0, "{none:?}");
    Ok(())
}

/// The simulation of a trace with the columns tenant and fetch_time.
fn example(component: &str, options: &[(&str, &str)], rows: &str, size: u64) -> Tested<Outcome> {
    let csv = format!("time,id,size,tenant,fetch_time\n{rows}");
    let trace = Trace::read(csv.as_bytes(), &TraceOptions::default())?;
    let mut driver = granted_sql(component);
    driver.options =
        options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    self::component("tried", Some(driver), &trace, size)
}

#[test]
fn a_fetch_that_was_admitted_and_not_cached_reserves_nothing() -> Tested {
    // It is larger than the cache, so it does not fill the tenant's quota.
    let rows = "1,large,80,a,\n2,small,30,a,\n3,small,30,a,\n";
    let quota = [("default-quota", "100")];
    let outcome = example(env!("GUEST_QUOTA"), &quota, rows, 50)?;
    assert_eq!((outcome.hits, outcome.refused), (1, 1), "{outcome:?}");
    Ok(())
}

#[test]
fn a_driver_learns_the_tenants_and_the_times_of_fetches_from_the_trace() -> Tested {
    let rows = "1,a,60,x,\n2,b,60,x,\n3,b,60,y,\n4,a,60,y,\n5,b,60,z,\n";
    let quota = [("default-quota", "100")];
    let outcome = example(env!("GUEST_QUOTA"), &quota, rows, 1000)?;
    assert_eq!((outcome.hits, outcome.refused), (2, 1), "the second image is not x's: {outcome:?}");
    // A third image takes the place of the one that is fetched fast.
    for (slow, fast) in [("9", "0.1"), ("0.1", "9")] {
        let rows =
            format!("1,a,10,,{slow}\n2,b,10,,{fast}\n3,c,10,,1\n4,c,10,,1\n5,a,10,,\n6,c,10,,\n");
        let outcome = example(env!("GUEST_COST"), &[], &rows, 20)?;
        let hits = if slow == "9" { 2 } else { 0 };
        assert_eq!(outcome.hits, hits, "{rows} {outcome:?}");
    }
    Ok(())
}

#[test]
fn a_transaction_is_as_limited_as_in_a_cache() -> Tested {
    let trace = trace(7, 20, 10)?;
    let error = hostile_outcome("fills_its_database", &trace);
    // The guest panics with these words if nothing stops it, and reports what stopped it otherwise.
    let words = format!("{error:?}");
    assert!(!words.contains("not stopped") && !words.contains("cannot be used"), "{words}");
    Ok(())
}

#[test]
fn a_driver_that_fails_names_the_call() -> Tested {
    let trace = trace(7, 300, 10)?;
    for name in ["traps_in_every_export", "panics_with_words", "loops_in_every_export"] {
        let error = hostile_outcome(name, &trace).expect_err(name);
        assert!(
            ["failed", "cut short", "cannot be used"].iter().any(|word| error.contains(word)),
            "{name}: {error}"
        );
    }
    Ok(())
}

#[test]
fn a_driver_that_is_missing_or_takes_unknown_options_is_named() -> Tested {
    let trace = trace(7, 10, 10)?;
    let error = component("nobody", None, &trace, 100).expect_err("there is none");
    assert!(error.to_string().contains("no driver has this name"), "{error}");
    let mut driver = granted_sql(env!("GUEST_GDSF"));
    driver.options.insert("goal".into(), "speed".into());
    let error = component("gdsf", Some(driver), &trace, 100).expect_err("the option is wrong");
    assert!(error.to_string().contains("goal"), "{error}");
    Ok(())
}
