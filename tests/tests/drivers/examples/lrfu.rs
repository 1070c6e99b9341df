//! LRFU: each use counts half after one half-life.

use super::{ALL, DAY, HOUR, LRFU, MIB, Trial, refusal};
use image_cache::Hit;
use image_cache_tests::Tested;

#[test]
fn an_image_that_is_used_often_outlives_one_that_was_used_last() -> Tested {
    let Some(trial) = Trial::new(&LRFU, &[("half-life", "24h")])? else { return Ok(()) };
    trial.add("often", MIB, 0)?;
    trial.hit("often", (1..=5).map(|n| n * HOUR))?;
    trial.add("last", MIB, 10 * HOUR)?;
    assert_eq!(trial.victims(ALL, 11 * HOUR)?, ["last", "often"]);
    Ok(())
}

#[test]
fn old_hits_count_less_with_time() -> Tested {
    let Some(trial) = Trial::new(&LRFU, &[("half-life", "24h")])? else { return Ok(()) };
    trial.add("often", MIB, 0)?;
    trial.hit("often", 1..=15)?;
    // Its 16 uses count as much as one use four days later.
    trial.add("before", MIB, 3 * DAY)?;
    trial.add("after", MIB, 5 * DAY)?;
    assert_eq!(trial.victims(ALL, 5 * DAY)?, ["before", "often", "after"]);
    Ok(())
}

#[test]
fn the_half_life_leads_from_recency_to_frequency() -> Tested {
    for (half_life, order) in [("30s", ["often", "last"]), ("365d", ["last", "often"])] {
        let Some(trial) = Trial::new(&LRFU, &[("half-life", half_life)])? else { return Ok(()) };
        trial.add("often", MIB, 0)?;
        trial.hit("often", 1..=100)?;
        trial.add("last", MIB, DAY)?;
        assert_eq!(trial.victims(ALL, 2 * DAY)?, order, "half-life {half_life}");
    }
    Ok(())
}

#[test]
fn a_hit_that_is_reported_late_counts_with_its_own_time() -> Tested {
    let Some(trial) = Trial::new(&LRFU, &[("half-life", "1h")])? else { return Ok(()) };
    trial.add("a", MIB, 10 * HOUR)?;
    trial.add("b", MIB, 10 * HOUR)?;
    trial.hit("a", [11 * HOUR])?;
    trial.hit("b", [11 * HOUR])?;
    // Ten hours before: almost no value, but more than zero.
    trial.hit("a", [HOUR])?;
    assert_eq!(trial.victims(ALL, 12 * HOUR)?, ["b", "a"]);
    trial.hit("b", [10 * HOUR])?;
    assert_eq!(trial.victims(ALL, 12 * HOUR)?, ["a", "b"]);
    Ok(())
}

#[test]
fn hits_in_one_batch_and_one_by_one_are_worth_the_same() -> Tested {
    let Some(trial) = Trial::new(&LRFU, &[("half-life", "1h")])? else { return Ok(()) };
    // Near and far times, in order and not, and so far apart that one use has no value compared with another.
    let seconds = [1, 2, 3000, 2000, 7 * HOUR, 7 * HOUR, 5 * DAY, 5 * DAY + 1, 4 * DAY, 900 * DAY];
    for name in ["batch", "single"] {
        trial.add(name, MIB, 0)?;
    }
    trial.hit("single", seconds)?;
    let hit = |second| Hit::new(super::id("batch"), super::at(second));
    trial.driver.record_hits(&seconds.map(hit))?;
    let [batch, single] = ["batch", "single"].map(|name| hits_and_last_use(&trial, name));
    let ((exponent, mantissa), (other_exponent, other)) = (batch?, single?);
    assert_eq!(exponent, other_exponent);
    assert!((mantissa - other).abs() < 1e-9, "{mantissa} and {other}");
    assert!((1.0..2.0).contains(&other), "{other}");
    Ok(())
}

/// Exponent and mantissa in the driver's database.
fn hits_and_last_use(trial: &Trial, name: &str) -> Tested<(i64, f64)> {
    let connection = trial.database()?;
    let select = "SELECT exponent, mantissa FROM images WHERE id = ?1";
    Ok(connection.query_row(select, [name], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

#[test]
fn a_shorter_half_life_forgets_the_hits_and_keeps_the_order_of_last_use() -> Tested {
    let options = [("half-life", "365d")];
    let Some(mut trial) = Trial::new(&LRFU, &options)? else { return Ok(()) };
    trial.add("often", MIB, 0)?;
    trial.hit("often", 1..=100)?;
    trial.add("middle", MIB, HOUR)?;
    trial.add("last", MIB, 2 * HOUR)?;
    assert_eq!(trial.victims(ALL, DAY)?, ["middle", "last", "often"]);
    trial.reconfigure(&options)?;
    assert_eq!(trial.victims(ALL, DAY)?, ["middle", "last", "often"], "nothing was changed");
    trial.reconfigure(&[("half-life", "364d")])?;
    assert_eq!(trial.victims(ALL, DAY)?, ["often", "middle", "last"]);
    Ok(())
}

#[test]
fn a_half_life_that_is_none_is_refused_by_name() -> Tested {
    for value in ["", "soon", "0h", "-1d", "1.5h", "24", "1y", "99999999999d"] {
        let Some(words) = refusal(&LRFU, &[("half-life", value)])? else { return Ok(()) };
        assert!(words.contains(&format!("option half-life: '{value}' is not a time")), "{words}");
    }
    Ok(())
}
