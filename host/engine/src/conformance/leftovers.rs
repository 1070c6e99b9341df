//! Leftovers: whatever the policy, a driver may name only leftovers that were offered.

use super::failure::{Verdict, equal, holds};
use super::fixture::Fixture;
use super::images::{at, id};
use image_cache_model::{Leftover, LeftoverState};

pub(super) fn leftover(name: &str, state: LeftoverState, seconds: i64) -> Leftover {
    Leftover { image_id: id(name), state, size: 10, modified: at(seconds) }
}

/// Checks that each named leftover is one of those offered, unchanged and named once.
fn among(answer: &[Leftover], offered: &[Leftover]) -> Verdict {
    for (place, leftover) in answer.iter().enumerate() {
        holds(
            offered.contains(leftover),
            "only leftovers that were offered, as they were given",
            leftover,
        )?;
        holds(!answer[..place].contains(leftover), "each leftover once", &answer)?;
    }
    Ok(())
}

pub(super) fn no_leftovers_are_answered_with_none(fixture: Fixture) -> Verdict {
    equal("leftovers", &fixture.leftovers(&[], at(0), at(100))?, &Vec::new())
}

pub(super) fn leftovers_to_remove_are_among_those_offered(fixture: Fixture) -> Verdict {
    use LeftoverState::{Incomplete, Invalid};
    let offered = [
        leftover("old", Incomplete, -500),
        leftover("young", Incomplete, 50),
        leftover("broken", Invalid, -500),
        leftover("broken-now", Invalid, 99),
        Leftover { size: 0, ..leftover("empty", Incomplete, -500) },
        Leftover { size: 1 << 53, ..leftover("large", Invalid, 1) },
        leftover("of-the-future", Incomplete, 100_000),
    ];
    among(&fixture.leftovers(&offered, at(0), at(100))?, &offered)?;
    // Each one alone, and with a stall time of zero.
    for one in &offered {
        let offered = std::slice::from_ref(one);
        among(&fixture.leftovers(offered, at(100), at(100))?, offered)?;
    }
    Ok(())
}

pub(super) fn leftovers_of_one_image_in_both_states_are_told_apart(fixture: Fixture) -> Verdict {
    let offered = [
        leftover("twice", LeftoverState::Incomplete, 50),
        leftover("twice", LeftoverState::Invalid, -50),
    ];
    among(&fixture.leftovers(&offered, at(0), at(100))?, &offered)
}

pub(super) fn a_page_of_a_thousand_leftovers_is_answered(fixture: Fixture) -> Verdict {
    let offered: Vec<Leftover> = (0..1000)
        .map(|n| {
            let state = if n % 3 == 0 { LeftoverState::Invalid } else { LeftoverState::Incomplete };
            leftover(&format!("image-{n}"), state, n - 500)
        })
        .collect();
    among(&fixture.leftovers(&offered, at(0), at(1000))?, &offered)
}
