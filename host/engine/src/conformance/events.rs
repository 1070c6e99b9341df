//! Events, ticks and metrics: whatever a policy does with them, the records stay as they are. A driver that does not export the
//! interface passes.

use super::failure::{Failure, Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, id, image};
use image_cache_model::{CacheSize, Event, RemovalReason, RequestKind, Requester};
use std::time::Duration;

const REASONS: [RemovalReason; 5] = [
    RemovalReason::Evicted,
    RemovalReason::Deleted,
    RemovalReason::Damaged,
    RemovalReason::Replaced,
    RemovalReason::Missing,
];

const KINDS: [RequestKind; 4] =
    [RequestKind::Client, RequestKind::Follower, RequestKind::Prefetch, RequestKind::Add];

/// Every kind of event about an image, of one kind of request.
fn events_of(name: &str, kind: RequestKind) -> Vec<Event> {
    let requester = Requester::of(kind).with_tenant("a".parse().ok());
    let mut events = vec![
        Event::Fetched {
            image_id: id(name),
            at: at(1),
            bytes: 10,
            duration: Duration::from_millis(250),
            requester: requester.clone(),
        },
        Event::NotCached { image_id: id(name), at: at(2), bytes: 3, requester: requester.clone() },
        Event::Read { image_id: id(name), at: at(2), bytes: 10, requester },
    ];
    let removed = |reason| Event::Removed { image_id: id(name), at: at(3), reason };
    events.extend(REASONS.map(removed));
    events
}

pub(super) fn events_change_no_record(fixture: Fixture) -> Verdict {
    let known = image("known", 10);
    fixture.add(&known)?;
    for kind in KINDS {
        fixture.notify(&events_of("known", kind))?;
    }
    fixture.has(&known)?;
    equal("images and bytes", &fixture.size()?, &CacheSize { images: 1, bytes: 10 })
}

pub(super) fn events_of_unknown_images_are_accepted(fixture: Fixture) -> Verdict {
    for kind in KINDS {
        fixture.notify(&events_of("unknown", kind))?;
    }
    fixture.lacks("unknown")
}

pub(super) fn a_thousand_events_fit_in_one_call(fixture: Fixture) -> Verdict {
    let read = |number: i64| Event::Read {
        image_id: id(&format!("image-{}", number % 10)),
        at: at(number),
        bytes: number.unsigned_abs(),
        requester: Requester::default(),
    };
    fixture.notify(&(0..1000).map(read).collect::<Vec<Event>>())
}

pub(super) fn events_of_any_size_and_time_are_accepted(fixture: Fixture) -> Verdict {
    for bytes in [0, 1 << 53, u64::MAX] {
        let (image_id, requester) = (id("huge"), Requester::default());
        let duration = Duration::from_micros(bytes);
        fixture.notify(&[
            Event::Fetched { image_id: id("huge"), at: at(9), bytes, duration, requester },
            Event::Read { image_id, at: at(0), bytes, requester: Requester::default() },
        ])?;
    }
    Ok(())
}

pub(super) fn a_tick_changes_no_record(fixture: Fixture) -> Verdict {
    let known = image("known", 10);
    fixture.add(&known)?;
    // The clock of the machine may be set back.
    for seconds in [1, 2, 1_000_000, 3] {
        fixture.tick(at(seconds))?;
    }
    fixture.has(&known)
}

pub(super) fn metrics_stay_within_their_limits(fixture: Fixture) -> Verdict {
    for number in 0..300 {
        let name = format!("image-{number}");
        let tenant = format!("tenant-{number}-{}", "t".repeat(100)).parse().ok();
        let requester = Requester::of(RequestKind::Client).with_tenant(tenant);
        fixture.admit(&name, Some(10), at(number), &requester)?;
        fixture.notify(&[
            Event::Fetched {
                image_id: id(&name),
                at: at(number),
                bytes: 10,
                duration: Duration::from_secs(1),
                requester: requester.clone(),
            },
            Event::Read { image_id: id(&name), at: at(number), bytes: 10, requester },
        ])?;
    }
    fixture.tick(at(1000))?;
    match fixture.driver.metrics_fault() {
        None => Ok(()),
        Some(fault) => Err(Failure::new("metrics within the limits of the interface", fault)),
    }
}
