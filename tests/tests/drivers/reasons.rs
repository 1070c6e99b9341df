//! Why a driver cannot be loaded, or failed, as values that a program can match; the I/O error inside is kept.

use image_cache::{
    CallError, ComponentFault, Config, ConfigurationRefusal, DriverConfig, DriverError,
    DriverFailure, Error, FallbackReason, Grant, ImageCache, LoadFault,
};
use image_cache_tests::components::{FAULTY, Trial, faulty, open};
use image_cache_tests::{Tested, fill};
use std::error::Error as StdError;
use std::{fs, io};

/// The faults for which the driver in the configuration of this cache could not be loaded.
fn faults(cache: &ImageCache) -> Vec<LoadFault> {
    match cache.driver().fallback.map(|fallback| fallback.reason) {
        Some(FallbackReason::Load(error)) => error.faults().to_vec(),
        other => panic!("it was loaded, or replaced for another reason: {other:?}"),
    }
}

fn only_fault(trial: &Trial, driver: DriverConfig) -> LoadFault {
    let faults = faults(&trial.open(driver));
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    fault.clone()
}

/// The reason of an operation that failed because of the driver. If the driver failed too often meanwhile, sqlite answers, and the
/// reason is that of the failover.
fn failure<T>(cache: &ImageCache, result: Result<T, Error>) -> DriverFailure {
    let fallback = cache.driver().fallback.map(|fallback| fallback.reason);
    match (result.map(drop), fallback) {
        (Err(Error::Metadata { reason, .. }), _) => reason,
        (Ok(()), Some(FallbackReason::FailedTooOften { last, .. })) => *last,
        other => panic!("another result: {other:?}"),
    }
}

#[test]
fn a_component_that_is_missing_has_the_error_of_the_system_inside() {
    let trial = Trial::new();
    let cache = open(Config::builder(trial.dir()).driver("/nowhere/driver.wasm"));
    let missing = faults(&cache);
    let [LoadFault::Unreadable { path, source }] = missing.as_slice() else {
        panic!("{missing:?}")
    };
    assert_eq!(
        (path.to_str(), source.kind()),
        (Some("/nowhere/driver.wasm"), io::ErrorKind::NotFound)
    );
    // The same error is the cause of each error that contains it.
    let reloaded = cache.reload_driver().map(drop).expect_err("it is still missing");
    let mut causes = std::iter::successors(reloaded.source(), |&cause| cause.source());
    let kind = causes.find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    assert_eq!(kind, Some(io::ErrorKind::NotFound), "{reloaded:?}");
}

#[test]
fn each_reason_against_a_component_is_a_value() -> Tested {
    let trial = Trial::new();
    let fault = only_fault(&trial, trial.component(wat::parse_str("(module)")?));
    let is_module = matches!(
        &fault,
        LoadFault::InvalidComponent { path: Some(_), reason: ComponentFault::CoreModule }
    );
    assert!(is_module, "{fault:?}");
    let mut pinned = faulty(&[]);
    pinned.sha256 = Some([0xab; 32]);
    let fault = only_fault(&trial, pinned);
    let is_pin = matches!(fault, LoadFault::WrongDigest { pinned, .. } if pinned == [0xab; 32]);
    assert!(is_pin, "{fault:?}");
    let mut small = faulty(&[]);
    small.limits.component = 1 << 10;
    let fault = only_fault(&trial, small);
    assert!(matches!(fault, LoadFault::TooLarge { limit: 1024, .. }), "{fault:?}");
    let other_world = r#"(component (instance $i) (export "a:b/c@1.0.0" (instance $i)))"#;
    let fault = only_fault(&trial, trial.component(wat::parse_str(other_world)?));
    assert!(matches!(&fault, LoadFault::NotADriver { exports } if exports == &["a:b/c@1.0.0"]));
    Ok(())
}

#[test]
fn missing_grants_and_refused_imports_are_values_in_one_error() -> Tested {
    let greedy = r#"(component
        (import "image-cache:driver/sql@1.0.0" (instance))
        (import "image-cache:driver/files@1.0.0" (instance))
        (import "acme:network/sockets@1.0.0" (instance))
        (instance $i) (export "image-cache:driver/driver@1.0.0" (instance $i)))"#;
    let trial = Trial::new();
    let mut driver = trial.component(wat::parse_str(greedy)?);
    driver.grants.insert(Grant::Sql);
    let found = faults(&trial.open(driver));
    let [LoadFault::NotGranted { granted, missing, .. }, LoadFault::ForeignImport { import }] =
        found.as_slice()
    else {
        panic!("{found:?}")
    };
    assert_eq!((granted, missing), (&[Grant::Sql].into(), &[Grant::Files].into()));
    assert_eq!(import, "acme:network/sockets@1.0.0");
    Ok(())
}

#[test]
fn an_unknown_name_and_a_refused_option_are_values() {
    let trial = Trial::new();
    let unknown = faults(&open(Config::builder(trial.dir()).driver("sqllite")));
    let [LoadFault::UnknownDriver { known }] = unknown.as_slice() else { panic!("{unknown:?}") };
    assert!(known.iter().any(|name| name == "sqlite"), "{known:?}");
    let fault = only_fault(&trial, faulty(&[("fault", "no-such-fault")]));
    let LoadFault::Call(CallError::ConfigurationRefused { refusal, .. }) = &fault else {
        panic!("{fault:?}")
    };
    let is_option = matches!(refusal, ConfigurationRefusal::InvalidOption(text) if text.contains("no-such-fault"));
    assert!(is_option, "{refusal:?}");
}

#[test]
fn a_trap_a_timeout_a_limit_and_an_invalid_answer_are_told_apart() {
    for fault in ["trap", "loop", "memory", "error-full", "unsorted"] {
        let trial = Trial::new();
        let cache = trial.open(faulty(&[("fault", fault), ("in", "get-cached-images")]));
        for id in ["a", "b"] {
            fill(&cache, id, b"an image");
        }
        let reason = failure(&cache, cache.cached_images());
        let DriverFailure::Call(error) = &reason else { panic!("{fault}: {reason:?}") };
        let is_expected = match (fault, error) {
            ("trap", CallError::Trapped(failure)) => failure.call == "get-cached-images",
            ("loop", CallError::TimedOut(failure)) => failure.cause.contains("50ms"),
            ("memory", CallError::LimitReached(failure)) => failure.cause.contains("limits.memory"),
            ("error-full", CallError::Refused(refused)) => *refused == DriverError::Full,
            ("unsorted", CallError::InvalidResult { violation, .. }) => {
                violation.contains("ascend")
            }
            _ => false,
        };
        assert!(is_expected, "{fault}: {error:?}");
        assert_eq!(reason.is_retryable(), fault != "error-full", "{fault}");
    }
}

#[test]
fn a_failover_has_the_last_failure_as_a_value() -> Tested {
    let trial = Trial::new();
    let driver = faulty(&[("fault", "trap"), ("in", "select-victims")]);
    let cache = open(trial.config(driver).max_size(10));
    fill(&cache, "a", b"a larger image");
    for _ in 0..8 {
        // The first ones may fail; the last one evicts with sqlite.
        let _ = cache.prune();
    }
    let reason = cache.driver().fallback.ok_or("it was not replaced")?.reason;
    let FallbackReason::FailedTooOften { operation, failures, last, .. } = &reason else {
        panic!("{reason:?}")
    };
    assert_eq!((*operation, *failures), ("select victims", 3));
    assert!(matches!(&**last, DriverFailure::Call(CallError::Trapped(_))), "{last:?}");
    let status = cache.status()?;
    let noted = status.last_fallback.ok_or("it was noted for other processes")?.fallback.reason;
    assert_eq!(noted, FallbackReason::Noted(reason.to_string()));
    Ok(())
}

#[test]
fn half_a_component_and_a_directory_are_told_apart() -> Tested {
    let trial = Trial::new();
    let whole = fs::read(FAULTY)?;
    let fault = only_fault(&trial, trial.component(&whole[..whole.len() / 2]));
    let is_broken =
        matches!(&fault, LoadFault::InvalidComponent { reason: ComponentFault::Broken(_), .. });
    assert!(is_broken, "{fault:?}");
    let fault = only_fault(&trial, DriverConfig::new(trial.beside("")));
    assert!(matches!(fault, LoadFault::NotAFile { .. }), "{fault:?}");
    Ok(())
}
