//! The messages of a driver: they are bounded in length and number, cannot forge a line, and the last one is reported if the
//! driver fails.

use crate::logged::logged;
use image_cache_tests::Tested;
use image_cache_tests::hostile::Harness;

pub fn floods_the_log(harness: Harness) -> Tested {
    let harness = harness.with_long_deadlines();
    let started = std::time::Instant::now();
    let lines = logged(|| harness.assert_harmless())?;
    let from_guest = lines.iter().filter(|line| line.contains("time\\n")).count();
    let seconds = usize::try_from(started.elapsed().as_secs())? + 1;
    assert!((1..=100 * seconds).contains(&from_guest), "{from_guest} lines in {seconds} s");
    assert!(lines.iter().any(|line| line.contains("lines were left out")), "it is not told");
    for line in &lines {
        assert!(line.len() < 5000, "a line of {} bytes", line.len());
        assert!(!line.starts_with("ERROR"), "a forged line: {line}");
        assert!(!line.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{2028}']), "an escape: {line}");
    }
    Ok(())
}

pub fn panics_with_words(harness: Harness) -> Tested {
    let words = "the sky is falling\\nERROR it is all your fault\\u{1b}[31m";
    let lines = logged(|| harness.assert_replaced(&["times within 60 s", words]))?;
    let told = lines.iter().filter(|line| line.contains("sqlite takes its place"));
    assert!(
        told.clone().count() == 1 && told.clone().all(|line| line.contains(words)),
        "{lines:?}"
    );
    assert!(lines.iter().all(|line| !line.starts_with("ERROR")), "a forged line: {lines:?}");
    Ok(())
}
