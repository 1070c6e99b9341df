//! S3-FIFO: a small queue, a main queue, and a memory of what was evicted.

use super::{ALL, S3_FIFO, Trial, refusal};
use image_cache_tests::Tested;

/// With a cache of 10 GiB, the small queue takes 1 GiB.
const TENTH: u64 = 1 << 30;

fn trial(options: &[(&str, &str)]) -> Tested<Trial> {
    Ok(Trial::new(&S3_FIFO, options)?.ok_or("it is built in")?)
}

/// Images that fill the small queue, and one of the main queue.
fn filled() -> Tested<Trial> {
    let trial = trial(&[])?;
    for n in 0..4 {
        trial.add(&format!("small-{n}"), TENTH / 4, n)?;
    }
    // Nothing was evicted yet, and the small queue is full.
    trial.add("main", TENTH / 4, 4)?;
    Ok(trial)
}

#[test]
fn an_image_that_was_used_twice_moves_to_the_main_queue() -> Tested {
    let trial = filled()?;
    trial.hit("small-0", [10, 11])?;
    trial.hit("small-1", [12])?;
    let order = ["small-1", "small-2", "small-3", "main", "small-0"];
    assert_eq!(trial.victims(ALL, 20)?, order);
    assert_eq!(trial.victims(1, 20)?, ["small-1"]);
    Ok(())
}

#[test]
fn evictions_one_by_one_are_those_of_one_question() -> Tested {
    let trial = filled()?;
    for (name, hits) in [("small-0", 3), ("small-2", 2), ("small-3", 1), ("main", 2)] {
        trial.hit(name, 10..10 + hits)?;
    }
    let all = trial.victims(ALL, 20)?;
    let mut one_by_one = Vec::new();
    while let Some(next) = trial.victims(1, 20)?.pop() {
        trial.remove(&next)?;
        one_by_one.push(next);
    }
    assert_eq!(one_by_one, all);
    Ok(())
}

#[test]
fn an_evicted_image_that_comes_back_enters_the_main_queue() -> Tested {
    let trial = filled()?;
    trial.remove("small-0")?;
    assert!(trial.admits("small-0", Some(TENTH / 4), 30)?);
    trial.add("small-0", TENTH / 4, 30)?;
    trial.add("new", TENTH / 4, 31)?;
    let order = ["small-1", "small-2", "small-3", "new", "main", "small-0"];
    assert_eq!(trial.victims(ALL, 40)?, order);
    Ok(())
}

#[test]
fn an_image_that_an_operator_deletes_is_not_remembered() -> Tested {
    let trial = filled()?;
    for n in 4..16 {
        trial.add(&format!("more-{n:02}"), TENTH / 4, n)?;
    }
    // It is far from being evicted.
    trial.remove("more-15")?;
    trial.add("more-15", TENTH / 4, 30)?;
    trial.remove("small-0")?;
    trial.add("after", TENTH / 4, 31)?;
    let order = trial.victims(ALL, 40)?;
    assert_eq!(&order[..3], ["small-1", "small-2", "small-3"]);
    assert_eq!(order[order.len() - 2..], ["more-14", "more-15"], "{order:?}");
    Ok(())
}

#[test]
fn a_record_that_is_written_again_keeps_its_place() -> Tested {
    let mut trial = filled()?;
    trial.add("small-0", TENTH / 4, 50)?;
    let order = ["small-0", "small-1", "small-2", "small-3", "main"];
    assert_eq!(trial.victims(ALL, 60)?, order);
    trial.reconfigure(&[])?;
    assert_eq!(trial.victims(ALL, 60)?, order);
    Ok(())
}

#[test]
fn images_that_are_too_large_for_the_small_queue_enter_the_main_one_or_are_refused() -> Tested {
    let trial = trial(&[])?;
    trial.add("small", 10, 0)?;
    assert!(trial.admits("large", Some(2 * TENTH), 1)?);
    trial.add("large", 2 * TENTH, 1)?;
    assert_eq!(trial.victims(ALL, 2)?, ["small", "large"]);
    let trial = self::trial(&[("large", "refuse")])?;
    assert!(!trial.admits("large", Some(2 * TENTH), 1)?);
    assert!(trial.admits("small", Some(TENTH), 1)?);
    let words = refusal(&S3_FIFO, &[("large", "no")])?.ok_or("it is refused")?;
    assert!(words.contains("large"), "{words}");
    Ok(())
}
