//! Two-hit admission: an image is cached at its second request.

use super::{GDSF, TWO_HIT, Trial, refusal};
use image_cache_tests::Tested;

#[test]
fn the_second_request_is_admitted_within_the_time() -> Tested {
    for (example, options) in [
        (&TWO_HIT, vec![("within", "60")]),
        (&GDSF, vec![("admission", "two-hit"), ("within", "60")]),
    ] {
        let trial = Trial::new(example, &options)?.ok_or("it is built in")?;
        assert!(!trial.admits("a", Some(10), 0)?, "the first request");
        assert!(!trial.admits("a", Some(10), 0)?, "the same call once more");
        assert!(trial.admits("a", Some(10), 60)? && trial.admits("a", Some(10), 60)?);
        assert!(!trial.admits("b", Some(10), 60)?);
        assert!(!trial.admits("b", Some(10), 121)?, "too late: this is a first request again");
        assert!(trial.admits("b", Some(10), 122)?);
    }
    Ok(())
}

#[test]
fn a_request_is_remembered_by_the_next_instance() -> Tested {
    let mut trial = Trial::new(&TWO_HIT, &[])?.ok_or("it is built in")?;
    assert!(!trial.admits("a", Some(10), 0)?);
    trial.reconfigure(&[])?;
    assert!(trial.admits("a", Some(10), 10)?);
    Ok(())
}

#[test]
fn wrong_options_are_named() -> Tested {
    for (example, options, word) in [
        (&TWO_HIT, ("within", "soon"), "within"),
        (&TWO_HIT, ("admission", "all"), "admission"),
        (&GDSF, ("admission", "three-hit"), "two-hit"),
        (&GDSF, ("within", "60"), "within"),
    ] {
        let words = refusal(example, &[options])?.ok_or("it is refused")?;
        assert!(words.contains(word), "{words}");
    }
    Ok(())
}
