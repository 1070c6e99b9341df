//! The quotas of tenants: admission, shares, and reasons, as component in a cache.

use super::{EXPIRY, QUOTA, Trial, passes};
use image_cache::conformance::{CASES, LRU_CASES};
use image_cache::{Decision, Expected, Outcome, RequestKind, Requester};
use image_cache_tests::components::{self, assert_no_fallback, open};
use image_cache_tests::{Tested, bytes};

fn of(tenant: &str) -> Tested<Requester> {
    Ok(Requester::of(RequestKind::Client).with_tenant(Some(tenant.parse()?)))
}

#[test]
fn quota_passes_the_conformance_suite_and_is_an_lru() -> Tested {
    passes(&QUOTA, CASES, &[("default-quota", "1000")])?;
    passes(&QUOTA, LRU_CASES, &[])
}

#[test]
fn expiry_passes_the_conformance_suite_and_is_an_lru() -> Tested {
    passes(&EXPIRY, CASES, &[])?;
    passes(&EXPIRY, LRU_CASES, &[])
}

#[test]
fn an_image_expires_by_its_id() -> Tested {
    let options = [("default", "100"), ("ttl.nightly-", "10"), ("ttl.release-", "0")];
    let Some(trial) = Trial::new(&EXPIRY, &options)? else { return Ok(()) };
    for name in ["cirros", "nightly-1", "release-1"] {
        trial.add(name, 1000, 0)?;
    }
    assert_eq!(trial.victims(0, 9)?, [""; 0]);
    assert_eq!(trial.victims(0, 10)?, ["nightly-1"]);
    assert_eq!(trial.victims(0, 100)?, ["cirros", "nightly-1"]);
    assert_eq!(trial.victims(2500, 10)?, ["nightly-1", "cirros", "release-1"]);
    Ok(())
}

#[test]
fn the_share_of_a_tenant_outlives_the_instance() -> Tested {
    let Some(mut trial) = Trial::new(&QUOTA, &[("default-quota", "100")])? else { return Ok(()) };
    let decides = |trial: &Trial, name, size| trial.decides(name, Some(size), 1, &of("a")?);
    assert_eq!(decides(&trial, "one", 60)?, Decision::Admit);
    trial.reconfigure(&[("default-quota", "100")])?;
    let reason = "the tenant uses 60 of 100 bytes, and the image has 41".to_owned();
    assert_eq!(decides(&trial, "two", 41)?, Decision::Refuse(Some(reason)));
    trial.reconfigure(&[("quota.a", "101")])?;
    assert_eq!(decides(&trial, "two", 41)?, Decision::Admit);
    Ok(())
}

#[test]
fn a_tenant_fills_its_quota_and_gets_its_bytes_nevertheless() -> Tested {
    let Some(driver) = QUOTA.config(&[("default-quota", "2500")]) else { return Ok(()) };
    let trial = components::Trial::new();
    let cache = open(trial.config(driver));
    let (alice, bob) = (cache.on_behalf_of(of("alice")?), cache.on_behalf_of(of("bob")?));
    let image = bytes(1, 1000);
    for name in ["a", "b"] {
        let outcome = alice.cache_image(name, &image[..], Expected::nothing())?;
        assert!(matches!(outcome, Outcome::Cached(_)), "{outcome:?}");
    }
    let refused = alice.cache_image("c", &image[..], Expected::nothing())?;
    let Outcome::RefusedByDriver(Some(reason)) = refused else {
        return Err(format!("{refused:?}").into());
    };
    assert!(reason.contains("2000 of 2500 bytes"), "{reason}");
    assert!(matches!(bob.cache_image("c", &image[..], Expected::nothing())?, Outcome::Cached(_)));
    // A deleted image gives its share back.
    assert!(cache.delete_cached_image("a")?);
    assert!(matches!(alice.cache_image("d", &image[..], Expected::nothing())?, Outcome::Cached(_)));
    assert_no_fallback(&cache);
    Ok(())
}
