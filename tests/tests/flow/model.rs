//! Random sequences of operations, compared with a simple model in memory: every result and the whole visible state must match. A
//! failing sequence is shrunk and printed.

mod operation;
mod plain;

use image_cache::{CacheSize, Expected, ImageCache, Outcome};
use image_cache_tests::{
    Source, TempCache, Tested, bytes, md5_hex, queued, read_until_error, serve, with_both_drivers,
    wrong_md5,
};
use operation::{Ending, Fetch, Operation, Promise};
use plain::{Fetched, IDS, Plain};
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::time::Duration;

with_both_drivers![any_sequence_of_operations_agrees_with_a_plain_model];

fn any_sequence_of_operations_agrees_with_a_plain_model(temp: &TempCache) -> Tested {
    let driver = temp.driver();
    let config = Config {
        cases: 160,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&operation::sequence(), |operations| {
        let mut run = Run::new(driver);
        for (n, (operation, look)) in operations.iter().enumerate() {
            eprintln_if_failing(n, operation, || {
                run.step(operation);
                run.compare_directory();
                // Checking writes collected hits. It is not done after each operation, so that operations also meet unwritten
                // hits.
                if *look || n + 1 == operations.len() {
                    run.compare_records();
                }
            });
        }
        Ok(())
    });
    Ok(result?)
}

/// Prints the operation if it panics.
fn eprintln_if_failing(n: usize, operation: &Operation, step: impl FnOnce()) {
    struct Words<'a>(usize, &'a Operation);
    impl Drop for Words<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("it was operation {}: {:?}", self.0, self.1);
            }
        }
    }
    let _words = Words(n, operation);
    step();
}

/// The cache and the model.
struct Run {
    temp: TempCache,
    cache: Option<ImageCache>,
    plain: Plain,
}

impl Run {
    fn new(driver: &'static str) -> Run {
        let plain = Plain::default();
        let mut run = Run { temp: TempCache::in_memory(driver), cache: None, plain };
        run.reopen();
        run
    }

    fn reopen(&mut self) {
        // The old cache is closed cleanly first.
        self.cache = None;
        let (max_size, delay) = (self.plain.max_size, self.plain.hit_delay);
        self.cache = Some(self.temp.open_with(|config| config.max_size(max_size).hit_delay(delay)));
    }

    fn cache(&self) -> ImageCache {
        self.cache.clone().expect("it is always open between two operations")
    }

    fn step(&mut self, operation: &Operation) {
        let (cache, plain) = (self.cache(), &mut self.plain);
        let fine = "no operation fails here";
        match operation {
            Operation::Fetch(fetch) => fetch_into(&cache, plain, fetch),
            Operation::Read(id) => {
                let served = cache
                    .open_for_read(IDS[*id])
                    .expect(fine)
                    .map(|_| serve(&cache, IDS[*id]).expect(fine));
                assert_eq!(served, plain.read(*id));
            }
            Operation::Abandon(id, taken) => {
                let Some(mut reader) = cache.open_for_read(IDS[*id]).expect(fine) else { return };
                let taken = (reader.size() * u64::from(*taken) / 256) as usize;
                reader.read_exact(&mut vec![0; taken]).expect(fine);
            }
            Operation::ReadRange(id, range) => {
                let reader = cache.open_range(IDS[*id], range.clone()).expect(fine);
                let served = reader.map(|mut reader| read_until_error(&mut reader, 100).0);
                assert_eq!(served, plain.read_range(*id, range));
            }
            Operation::Queue(id) => {
                assert_eq!(cache.queue_image(IDS[*id]).expect(fine), plain.queue(*id))
            }
            Operation::Dequeue(id) => {
                assert_eq!(cache.delete_queued_image(IDS[*id]).expect(fine), plain.dequeue(*id))
            }
            Operation::Delete(id) => {
                assert_eq!(cache.delete_cached_image(IDS[*id]).expect(fine), plain.delete(*id))
            }
            Operation::DeleteAll => {
                assert_eq!(cache.delete_all_cached_images().expect(fine), plain.delete_all())
            }
            Operation::DequeueAll => {
                assert_eq!(cache.delete_all_queued_images().expect(fine), plain.dequeue_all())
            }
            Operation::Prune => {
                let pruned = cache.prune().expect(fine);
                assert_eq!((pruned.images, pruned.bytes, pruned.kept.len()), plain.prune());
            }
            Operation::Clean => {
                let cleaned = cache.clean(None).expect(fine);
                assert_eq!(
                    (cleaned.incomplete, cleaned.invalid, cleaned.kept.len()),
                    (0, plain.clean(), 0)
                );
            }
            Operation::Reopen(max_size, delayed) => {
                plain.max_size = *max_size;
                plain.hit_delay = if *delayed { Duration::from_secs(3000) } else { Duration::ZERO };
                drop(cache);
                self.reopen();
            }
        }
    }

    /// Checks the state that is independent of the records.
    fn compare_directory(&self) {
        let (cache, plain, fine) = (self.cache(), &self.plain, "asking does not fail");
        let bytes = plain.images.iter().map(|image| image.bytes.len() as u64).sum();
        let size = CacheSize { images: plain.images.len() as u64, bytes };
        assert_eq!(cache.cache_size().expect(fine), size);
        assert_eq!(queued(&cache), plain.queue.iter().map(|id| IDS[*id]).collect::<Vec<_>>());
        let broken: BTreeSet<String> = plain.invalid.iter().map(|id| IDS[*id].to_owned()).collect();
        assert_eq!((self.temp.names("invalid"), self.temp.names("incomplete").len()), (broken, 0));
        for (id, name) in IDS.iter().enumerate() {
            let size = plain.image(id).map(|image| image.bytes.len() as u64);
            assert_eq!(cache.image_size(name).expect(fine), size, "{name}");
            assert_eq!(cache.is_cacheable(name, None).expect(fine), size.is_none(), "{name}");
            assert_eq!(cache.is_queued(name).expect(fine), plain.queue.contains(&id), "{name}");
            assert!(!cache.is_being_cached(name).expect(fine), "{name}");
        }
    }

    /// Checks the state in the records, through the cache and on disk.
    fn compare_records(&self) {
        let (cache, plain) = (self.cache(), &self.plain);
        let mut records = cache.cached_images().expect("asking does not fail");
        assert!(records.is_sorted_by(|a, b| a.image_id < b.image_id));
        let kept = self.temp.records_in_sync();
        for record in &records {
            let id = record.image_id.as_str();
            let row = (kept[id].hits, kept[id].checksum.as_deref());
            assert_eq!((record.hits, record.checksum.as_ref().map(|sum| sum.value())), row, "{id}");
            assert_eq!(
                cache.cached_image(id).expect("asking does not fail").as_ref(),
                Some(record)
            );
        }
        records.sort_by_key(|record| record.last_accessed);
        let found: Vec<_> = records
            .iter()
            .map(|record| (record.image_id.as_str(), record.size, record.hits))
            .collect();
        let expected =
            plain.images.iter().map(|image| (IDS[image.id], image.bytes.len() as u64, image.hits));
        assert_eq!(found, expected.collect::<Vec<_>>(), "the least recently used first");
        for image in &plain.images {
            assert_eq!(kept[IDS[image.id]].checksum, Some(md5_hex(&image.bytes)));
        }
    }
}

fn fetch_into(cache: &ImageCache, plain: &mut Plain, fetch: &Fetch) {
    let image = bytes(fetch.seed, fetch.size);
    let mut expected = Expected::nothing();
    match fetch.promise {
        Promise::Nothing => {}
        Promise::Right => {
            expected = expected
                .with_md5(&md5_hex(&image))
                .expect("it has 32 digits")
                .with_size(fetch.size as u64);
        }
        Promise::WrongMd5 => {
            expected = expected.with_md5(&wrong_md5(&image)).expect("it has 32 digits")
        }
        Promise::WrongSize => expected = expected.with_size(fetch.size as u64 + 1),
    }
    let mut source = Source::of(&image[..]).in_chunks(fetch.chunk);
    if fetch.ending == Ending::Fails {
        source = source.then_fails(|| ErrorKind::ConnectionReset.into());
    }
    let good =
        fetch.ending == Ending::Whole && matches!(fetch.promise, Promise::Nothing | Promise::Right);
    let found = if fetch.drained {
        match cache.cache_image(IDS[fetch.id], source, expected) {
            Ok(Outcome::Cached(record)) => {
                assert_eq!(record.size, fetch.size as u64);
                Fetched::Cached
            }
            Ok(Outcome::AlreadyCached) => Fetched::AlreadyCached,
            Ok(outcome) => panic!("{outcome:?}"),
            Err(_) => Fetched::Failed,
        }
    } else {
        let mut reader =
            cache.caching_reader(IDS[fetch.id], source, expected).expect("the id is sound");
        if fetch.ending == Ending::Dropped {
            drop(reader);
            Fetched::Failed
        } else {
            let (came, end) = read_until_error(&mut reader, 300);
            assert!(image.starts_with(&came) && end.is_ok() == good);
            assert!(end.is_err() || came == image);
            match reader.outcome() {
                Some(Outcome::Cached(_)) => Fetched::Cached,
                Some(Outcome::AlreadyCached) => Fetched::AlreadyCached,
                None => Fetched::Failed,
                Some(outcome) => panic!("{outcome:?}"),
            }
        }
    };
    assert_eq!(found, plain.fetch(fetch, good, image));
}
