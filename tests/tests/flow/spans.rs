//! The spans of `tracing`, by which a program can see where the cache's time goes.

use image_cache::{Expected, ImageCache};
use image_cache_tests::{TempCache, Tested, bytes, fill, serve, with_both_drivers};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;

with_both_drivers![
    operations_have_spans_with_image_and_driver,
    prunes_and_repairs_have_spans_with_the_driver_calls_inside,
];

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no thread panics with it locked").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of the spans that ended meanwhile, at this level.
fn spans(level: Level, work: impl FnOnce() -> Tested) -> Tested<Vec<String>> {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .finish();
    // With a single subscriber, tracing asks only the thread that reaches a span first, which may be that of another test.
    let _second =
        tracing::Dispatch::new(tracing_subscriber::fmt().with_max_level(Level::ERROR).finish());
    tracing::subscriber::with_default(subscriber, work)?;
    let text = String::from_utf8(log.0.lock().expect("no thread panics with it locked").clone())?;
    Ok(text.lines().filter(|line| line.contains("close time.")).map(ToOwned::to_owned).collect())
}

fn has(spans: &[String], name: &str, fields: &[&str]) -> bool {
    let is_it =
        |line: &&String| line.contains(name) && fields.iter().all(|field| line.contains(field));
    spans.iter().any(|line| is_it(&line))
}

fn use_all(temp: &TempCache) -> Tested {
    let config = temp.config().max_size(0).build()?;
    let cache = ImageCache::open(config)?;
    fill(&cache, "verified", &bytes(1, 5000));
    serve(&cache, "verified")?;
    cache.verify("verified")?;
    cache.open_for_read("verified")?.ok_or("it is cached")?.into_file()?;
    assert_eq!(cache.prune()?.images, 1);
    let source = &b"an image"[..];
    io::copy(&mut cache.caching_reader("fetched", source, Expected::nothing())?, &mut io::sink())?;
    cache.delete_all_cached_images()?;
    Ok(())
}

fn operations_have_spans_with_image_and_driver(temp: &TempCache) -> Tested {
    let driver = format!("driver=\"{}\"", temp.driver());
    let found = spans(Level::DEBUG, || use_all(temp))?;
    assert!(has(&found, "open{", &["directory=", &driver]), "{found:#?}");
    for image in ["image=verified", "image=fetched"] {
        assert!(has(&found, "fill{", &[image, &driver]), "{image}: {found:#?}");
    }
    assert!(has(&found, "verify{", &["image=verified}"]), "{found:#?}");
    assert!(has(&found, "verify{", &["image=verified start=0 end=5000"]), "{found:#?}");
    assert!(has(&found, "evict{", &["image=verified", &driver]), "{found:#?}");
    assert!(!has(&found, "read{", &[]), "one for each block is for the level trace");
    assert!(has(&spans(Level::TRACE, || use_all(temp))?, "read{", &["image=verified"]));
    let nothing = spans(Level::INFO, || use_all(temp))?;
    assert!(nothing.is_empty(), "{nothing:#?}");
    Ok(())
}

/// Whether a span without fields has ended: its name is the last one before the target.
fn has_ended(spans: &[String], name: &str) -> bool {
    let ended = |line: &String| {
        let context = line.split(": image_cache").next().unwrap_or_default();
        context.ends_with(&format!(" {name}")) || context.ends_with(&format!(":{name}"))
    };
    spans.iter().any(ended)
}

fn prunes_and_repairs_have_spans_with_the_driver_calls_inside(temp: &TempCache) -> Tested {
    let found = spans(Level::DEBUG, || use_all(temp))?;
    assert!(has_ended(&found, "prune") && has_ended(&found, "reconcile"), "{found:#?}");
    for (parent, operation) in [("prune", "select victims"), ("reconcile", "list images")] {
        let call = format!("{parent}:driver_call{{operation=\"{operation}\"}}");
        assert!(has(&found, &call, &[]), "{call}: {found:#?}");
    }
    Ok(())
}
