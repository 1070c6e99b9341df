//! GDSF: weighs uses against size, and a clock reduces the weight of old uses.

use super::{ALL, GDSF, GIB, MIB, Trial, refusal};
use image_cache_tests::Tested;

fn trial(options: &[(&str, &str)]) -> Tested<Trial> {
    Ok(Trial::new(&GDSF, options)?.ok_or("it is built with the tests")?)
}

#[test]
fn a_large_rarely_read_image_is_evicted_before_small_often_read_ones() -> Tested {
    let trial = trial(&[])?;
    for name in ["small-1", "small-2", "small-3"] {
        trial.add(name, 50 * MIB, 0)?;
        trial.hit(name, 1..=5)?;
    }
    // Cached last, and read last: a policy by age alone would keep it.
    trial.add("large", 20 * GIB, 10)?;
    trial.hit("large", [11, 12])?;
    assert_eq!(trial.victims(GIB, 20)?, ["large"]);
    assert_eq!(trial.victims(ALL, 20)?, ["large", "small-1", "small-2", "small-3"]);
    Ok(())
}

#[test]
fn uses_make_up_for_size() -> Tested {
    let trial = trial(&[])?;
    trial.add("large", 10 * GIB, 0)?;
    trial.add("small", GIB, 0)?;
    trial.hit("small", [1])?;
    assert_eq!(trial.victims(1, 30)?, ["large"]);
    // Ten times the size needs more than ten times the uses.
    trial.hit("large", 2..=21)?;
    assert_eq!(trial.victims(1, 30)?, ["small"]);
    Ok(())
}

#[test]
fn old_uses_lose_weight_with_every_eviction() -> Tested {
    let trial = trial(&[])?;
    trial.add("star", GIB, 0)?;
    trial.hit("star", 1..=50)?;
    let mut survived = 0;
    loop {
        // There is room for the popular image and two more; no new image ever has as many uses as the popular one.
        let (name, now) = (format!("newcomer-{survived:02}"), 100 + 10 * survived);
        trial.add(&name, GIB, now)?;
        trial.hit(&name, [now + 1, now + 2, now + 3])?;
        if survived < 2 {
            survived += 1;
            continue;
        }
        let victims = trial.victims(GIB, now + 4)?;
        assert_eq!(victims.len(), 1, "{victims:?}");
        trial.remove(&victims[0])?;
        if victims[0] == "star" {
            break;
        }
        survived += 1;
        assert!(survived < 40, "the formerly popular image is never evicted");
    }
    // Its 51 uses had the value of four uses in every second round, because two new images shared the clock.
    assert!(survived > 20, "the popular image was evicted after {survived} new images");
    Ok(())
}

#[test]
fn a_used_image_of_long_ago_is_as_good_as_new() -> Tested {
    let trial = trial(&[])?;
    trial.add("old", GIB, 0)?;
    trial.hit("old", [1, 2])?;
    // Evictions advance the clock.
    for round in 0..10 {
        let name = format!("passing-{round}");
        trial.add(&name, 2 * GIB, 10 + round)?;
        trial.hit(&name, [11 + round, 12 + round])?;
        trial.remove(&name)?;
    }
    trial.add("new", GIB, 100)?;
    trial.hit("new", [101, 102])?;
    assert_eq!(trial.victims(ALL, 200)?, ["old", "new"]);
    trial.hit("old", [103])?;
    assert_eq!(trial.victims(ALL, 200)?, ["new", "old"]);
    Ok(())
}

#[test]
fn deleting_a_famous_image_does_not_put_newcomers_before_the_rest() -> Tested {
    let trial = trial(&[])?;
    trial.add("star", GIB, 0)?;
    trial.hit("star", 1..=50)?;
    trial.add("known", GIB, 60)?;
    trial.hit("known", 61..=65)?;
    trial.remove("star")?;
    trial.add("newcomer", GIB, 70)?;
    // If the clock had the priority of the deleted image, the new image would begin above the image that was read five times.
    assert_eq!(trial.victims(1, 80)?, ["newcomer"]);
    Ok(())
}

#[test]
fn where_bytes_are_the_goal_size_does_not_count() -> Tested {
    let trial = trial(&[("goal", "bytes")])?;
    trial.add("small", MIB, 0)?;
    trial.add("large", 100 * GIB, 1)?;
    trial.hit("large", [2])?;
    assert_eq!(trial.victims(ALL, 10)?, ["small", "large"]);
    Ok(())
}

#[test]
fn another_goal_recomputes_the_priorities_of_all_images() -> Tested {
    let mut trial = trial(&[("goal", "hits")])?;
    trial.add("small", MIB, 0)?;
    trial.add("large", 100 * GIB, 1)?;
    trial.hit("large", [2])?;
    assert_eq!(trial.victims(ALL, 10)?, ["large", "small"]);
    trial.reconfigure(&[("goal", "bytes")])?;
    assert_eq!(trial.victims(ALL, 10)?, ["small", "large"]);
    trial.reconfigure(&[])?;
    assert_eq!(trial.victims(ALL, 10)?, ["large", "small"]);
    Ok(())
}

#[test]
fn a_goal_that_it_does_not_know_is_refused_by_name() -> Tested {
    let words = refusal(&GDSF, &[("goal", "speed")])?.ok_or("it is built with the tests")?;
    assert!(words.contains("option goal: 'speed' is not \"hits\""), "{words}");
    Ok(())
}
