//! An image that another process is fetching: readers in this process follow it, take over, or fetch separately.

use crate::single_flight::{get, get_for_nothing, not_needed};
use image_cache::{Expected, ImageCache, OtherWriter, Outcome};
use image_cache_tests::{
    TempCache, Tested, ThrottledSource, bytes, md5_hex, read_all, read_until_error,
    with_both_drivers, wrong_md5,
};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

with_both_drivers![
    readers_follow_the_growing_file_of_another_process,
    when_the_other_process_is_killed_a_reader_takes_over,
    a_reader_that_takes_over_from_another_process_gets_no_mixture,
    when_the_other_process_was_wrong_a_reader_takes_over,
    when_the_other_process_is_stuck_readers_pass_through,
    a_writer_that_was_found_to_be_stuck_is_not_waited_for_again,
    with_pass_through_readers_do_not_wait,
    of_two_caches_in_one_process_only_one_fetches,
    a_mismatch_that_the_other_process_does_not_expect_is_detected,
];

const SIZE: usize = 900_000;
const FIRST: usize = 600_000;

/// Runs as another process, under the tests of this file, and fetches the image as configured.
#[test]
fn a_process_that_fetches() -> Tested {
    let Some(temp) = TempCache::of_parent() else { return Ok(()) };
    let (cache, image) = (temp.open(), bytes(1, SIZE));
    let expected = Expected::nothing().with_md5(&std::env::var("EXPECTED_MD5")?)?;
    let mut reader = cache.caching_reader("a", &image[..], expected)?;
    let mut told = String::new();
    reader.read_exact(&mut vec![0; FIRST])?;
    // Received bytes are written after half a second at the latest; here, with the next byte.
    std::thread::sleep(Duration::from_millis(600));
    reader.read_exact(&mut [0; 1])?;
    say("writing")?;
    std::io::stdin().read_line(&mut told)?;
    say(if read_all(reader).is_ok() { "done" } else { "refused" })?;
    std::io::stdin().read_line(&mut told)?;
    Ok(())
}

fn say(word: &str) -> Tested {
    println!("\n{word}");
    Ok(std::io::stdout().flush()?)
}

/// Such a process, which is killed at the end.
struct Other {
    process: Child,
    said: BufReader<ChildStdout>,
    tell: ChildStdin,
}

impl Other {
    /// It has written the first part of the image, and waits.
    fn start(temp: &TempCache, md5: &str) -> Tested<Other> {
        let mut command = temp.in_child("other_process::a_process_that_fetches")?;
        let mut process = command.env("EXPECTED_MD5", md5).spawn()?;
        let said = BufReader::new(process.stdout.take().ok_or("its output is piped")?);
        let tell = process.stdin.take().ok_or("its input is piped")?;
        let mut other = Other { process, said, tell };
        other.wait_for("writing")?;
        Ok(other)
    }

    fn wait_for(&mut self, word: &str) -> Tested {
        let mut line = String::new();
        while self.said.read_line(&mut line)? > 0 {
            if line.trim() == word {
                return Ok(());
            }
            line.clear();
        }
        Err(format!("the other process never printed {word:?}").into())
    }

    fn go_on(&mut self) -> Tested {
        Ok(self.tell.write_all(b"\n")?)
    }

    fn kill(&mut self) -> Tested {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn assert_cached(temp: &TempCache, cache: &ImageCache, image: &[u8], hits: u64) -> Tested {
    assert!(std::fs::read(temp.path("a"))? == image);
    assert_eq!(temp.records_in_sync()["a"].checksum.as_ref(), Some(&md5_hex(image)));
    assert_eq!(cache.hit_count("a")?, hits);
    assert!(temp.names("incomplete").is_empty());
    Ok(())
}

fn readers_follow_the_growing_file_of_another_process(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, SIZE));
    let mut other = Other::start(temp, "")?;
    let mut readers: Vec<_> = (0..4).map(|_| get_for_nothing(&cache)).collect();
    readers.push(cache.follow("a")?.ok_or("it is being fetched")?);
    for (n, reader) in readers.iter_mut().enumerate() {
        reader.read_exact(&mut vec![0; FIRST - n * 1000])?;
    }
    let mut second = cache.caching_reader("a", &image[..], Expected::nothing())?;
    assert!(read_all(&mut second)? == image, "a reader with its own source reads that");
    assert_eq!(second.outcome(), Some(&Outcome::BeingCached));
    other.go_on()?;
    for (n, reader) in readers.iter_mut().enumerate() {
        assert!(read_all(&mut *reader)? == image[FIRST - n * 1000..], "reader {n}");
        assert_eq!(reader.outcome(), Some(&Outcome::AlreadyCached));
    }
    other.wait_for("done")?;
    assert_cached(temp, &cache, &image, 5)
}

fn when_the_other_process_is_killed_a_reader_takes_over(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, SIZE));
    let mut other = Other::start(temp, "")?;
    let throttled = ThrottledSource::unlimited(&image[..]);
    let mut readers: Vec<_> = (0..4).map(|_| get(&cache, &throttled)).collect();
    let mut without = cache.follow("a")?.ok_or("it is being fetched")?;
    readers[1].read_exact(&mut vec![0; FIRST])?;
    without.read_exact(&mut [0; 1])?;
    other.kill()?;
    // First a reader that cannot take over, because no reader has done so yet.
    let (_, end) = read_until_error(&mut without, 4096);
    assert!(end.is_err_and(|error| error.to_string().contains("no source of its own")));
    for (n, reader) in readers.iter_mut().enumerate() {
        assert!(read_all(reader)? == image[if n == 1 { FIRST } else { 0 }..], "reader {n}");
    }
    assert_eq!(throttled.opened(), 1, "one of them fetches it");
    assert_cached(temp, &cache, &image, 3)
}

fn a_reader_that_takes_over_from_another_process_gets_no_mixture(temp: &TempCache) -> Tested {
    let (cache, old) = (temp.open(), bytes(1, SIZE));
    for (flipped, fits) in [(FIRST - 100, false), (FIRST + 100, true)] {
        let mut image = old.clone();
        image[flipped] ^= 1;
        let mut other = Other::start(temp, "")?;
        let throttled = ThrottledSource::unlimited(&image[..]);
        let mut reader = get(&cache, &throttled);
        reader.read_exact(&mut vec![0; FIRST - 99])?;
        other.kill()?;
        let (came, end) = read_until_error(&mut reader, 10_000);
        if fits {
            end?;
            assert!(came == image[FIRST - 99..]);
        } else {
            assert!(old[FIRST - 99..].starts_with(&came), "nothing of the other image");
            assert!(end.is_err_and(|error| {
                error.to_string().contains("differ from those that this reader")
            }));
        }
        drop(reader);
        assert_eq!((throttled.running(), cache.delete_cached_image("a")?), (0, fits));
    }
    Ok(())
}

fn when_the_other_process_was_wrong_a_reader_takes_over(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, SIZE));
    let mut other = Other::start(temp, &wrong_md5(&image))?;
    let throttled = ThrottledSource::unlimited(&image[..]);
    let mut reader = get(&cache, &throttled);
    reader.read_exact(&mut vec![0; FIRST])?;
    assert_eq!(throttled.opened(), 0);
    other.go_on()?;
    other.wait_for("refused")?;
    assert!(read_all(&mut reader)? == image[FIRST..]);
    assert_eq!(throttled.opened(), 1);
    assert_cached(temp, &cache, &image, 0)
}

fn when_the_other_process_is_stuck_readers_pass_through(temp: &TempCache) -> Tested {
    let patience = Duration::from_millis(200);
    let cache = temp.open_with(|config| config.other_writer_patience(patience));
    let image = bytes(1, SIZE);
    let mut other = Other::start(temp, "")?;
    let throttled = ThrottledSource::unlimited(&image[..]);
    let (mut reader, mut without) =
        (get(&cache, &throttled), cache.follow("a")?.ok_or("it is fetched")?);
    assert!(read_all(&mut reader)? == image);
    assert_eq!((reader.outcome(), throttled.opened()), (Some(&Outcome::BeingCached), 1));
    let (came, end) = read_until_error(&mut without, 10_000);
    assert!(image.starts_with(&came) && (FIRST..FIRST + 100).contains(&came.len()), "all there is");
    assert!(end.is_err_and(|error| error.kind() == std::io::ErrorKind::TimedOut));
    other.go_on()?;
    other.wait_for("done")?;
    assert_cached(temp, &cache, &image, 0)
}

fn a_writer_that_was_found_to_be_stuck_is_not_waited_for_again(temp: &TempCache) -> Tested {
    // A long time, so that the reads below take less even on a busy machine.
    let patience = Duration::from_secs(8);
    let cache = temp.open_with(|config| config.other_writer_patience(patience));
    let image = bytes(1, SIZE);
    let mut other = Other::start(temp, "")?;
    let throttled = ThrottledSource::unlimited(&image[..]);
    assert!(read_all(get(&cache, &throttled))? == image, "it waits, and then fetches separately");
    let later = Instant::now();
    for n in 2..7 {
        let mut reader = get(&cache, &throttled);
        assert!(read_all(&mut reader)? == image);
        assert_eq!((reader.outcome(), throttled.opened()), (Some(&Outcome::BeingCached), n));
    }
    assert!(later.elapsed() < patience, "all of them together: {:?}", later.elapsed());
    other.go_on()?;
    other.wait_for("done")?;
    assert!(read_all(cache.get_or_fetch("a", Expected::nothing(), not_needed)?)? == image);
    assert_cached(temp, &cache, &image, 1)
}

fn with_pass_through_readers_do_not_wait(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.other_writer(OtherWriter::PassThrough));
    let image = bytes(1, SIZE);
    let mut other = Other::start(temp, "")?;
    let throttled = ThrottledSource::unlimited(&image[..]);
    let mut reader = get(&cache, &throttled);
    assert!(read_all(&mut reader)? == image);
    assert_eq!((reader.outcome(), throttled.opened()), (Some(&Outcome::BeingCached), 1));
    assert!(cache.follow("a")?.is_none());
    other.go_on()?;
    other.wait_for("done")?;
    assert!(read_all(cache.get_or_fetch("a", Expected::nothing(), not_needed)?)? == image);
    assert_cached(temp, &cache, &image, 1)
}

fn of_two_caches_in_one_process_only_one_fetches(temp: &TempCache) -> Tested {
    let caches = [temp.open(), temp.open()];
    let image = bytes(2, 3_000_000);
    let throttled = ThrottledSource::unlimited(&image[..]);
    std::thread::scope(|scope| {
        for n in 0..10 {
            let (cache, throttled, image) = (&caches[n % 2], &throttled, &image);
            scope.spawn(move || {
                let (came, end) = read_until_error(&mut get(cache, throttled), 10_000 + n);
                end.expect("the source is sound");
                assert!(came == *image, "reader {n}");
            });
        }
    });
    assert_eq!((throttled.opened(), throttled.given()), (1, image.len()));
    caches[1].flush()?;
    assert_cached(temp, &caches[0], &image, 9)
}

fn a_mismatch_that_the_other_process_does_not_expect_is_detected(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, SIZE));
    let mut other = Other::start(temp, "")?;
    let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
    let mut reader = cache.get_or_fetch("a", wrong, not_needed)?;
    reader.read_exact(&mut vec![0; FIRST])?;
    other.go_on()?;
    let (came, end) = read_until_error(&mut reader, 10_000);
    assert!(came.len() < SIZE - FIRST && end.is_err());
    other.wait_for("done")?;
    assert_cached(temp, &cache, &image, 0)
}
