//! `clean`: removes the files of failed and stalled fetches.

use super::Scratch;
use serde_json::json;
use std::time::{Duration, SystemTime};

fn leave(scratch: &Scratch, place: &str, age: Duration) {
    let path = scratch.cache_dir().join(place);
    let file = std::fs::File::create(&path).expect("the directory is there");
    std::io::Write::write_all(&mut &file, b"left").expect("it is writable");
    file.set_modified(SystemTime::now() - age).expect("its time can be set");
}

#[test]
fn clean_uses_the_given_stall_time() {
    let scratch = Scratch::new();
    scratch.run(["status"]).done();
    leave(&scratch, "invalid/failed", Duration::ZERO);
    leave(&scratch, "incomplete/old", Duration::from_secs(7_200));
    leave(&scratch, "incomplete/older", Duration::from_secs(3 * 86_400));
    leave(&scratch, "incomplete/new", Duration::ZERO);
    let status = scratch.json(["status"]);
    assert_eq!((&status["incomplete"], &status["invalid"]), (&json!(3), &json!(1)));
    assert_eq!(
        scratch.json(["clean"]),
        json!({"incomplete": 1, "invalid": 1, "bytes": 8, "kept": []})
    );
    assert_eq!(
        scratch.json(["clean", "--stall-time", "1h"]),
        json!({"incomplete": 1, "invalid": 0, "bytes": 4, "kept": []})
    );
    assert_eq!(
        scratch.run(["--stall-time=86400", "clean"]).done(),
        "removed 0 incomplete, 0 invalid, 0 B (0 bytes)\n"
    );
    assert_eq!(
        scratch.run(["clean", "--stall-time", "0"]).done(),
        "removed 1 incomplete, 0 invalid, 4 B (4 bytes)\n"
    );
}
