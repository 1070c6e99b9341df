//! The order in which an image is written to disk, seen from its system calls.

use image_cache::{Durability, Expected, Outcome};
use image_cache_tests::{TempCache, Tested, bytes, serve, skip, with_both_drivers};
use std::process::{Command, Stdio};

with_both_drivers![
    an_image_and_its_directory_are_flushed_before_it_counts_as_cached,
    with_rename_only_images_are_renamed_and_never_synced,
];

/// Runs as another process, whose system calls are traced.
#[test]
fn a_fill_that_is_traced() -> Tested {
    let Some(temp) = TempCache::of_parent() else { return Ok(()) };
    let durability = std::env::var("DURABILITY")?.parse::<Durability>()?;
    let cache = temp.open_with(|config| config.durability(durability));
    let outcome = cache.cache_image("traced", &bytes(1, 600_000)[..], Expected::nothing())?;
    assert!(matches!(outcome, Outcome::Cached(_)), "{outcome:?}");
    Ok(())
}

/// The system calls for the image and its directory, in order; none if they cannot be traced.
fn calls(temp: &TempCache, durability: Durability) -> Tested<Option<Vec<&'static str>>> {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        skip("strace is not installed: the order of system calls is not checked");
        return Ok(None);
    }
    drop(temp.open());
    let fill = temp.in_child("durability::a_fill_that_is_traced")?;
    let trace = temp.path(".image-cache/trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-e", "trace=fsync,fdatasync,sync_file_range,/rename", "-o"]);
    strace.arg(&trace).arg(fill.get_program()).args(fill.get_args());
    strace.envs(fill.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace.env("DURABILITY", durability.name()).current_dir("/").stdin(Stdio::null());
    let output = strace.output()?;
    if !output.status.success() {
        skip(&format!("strace may not trace: {}", String::from_utf8_lossy(&output.stderr)));
        return Ok(None);
    }
    let dir = temp.dir().canonicalize()?;
    let (file, dir) =
        (format!("{}/incomplete/traced>", dir.display()), format!("{}>", dir.display()));
    let calls = std::fs::read_to_string(&trace)?;
    let mut calls: Vec<_> = calls.lines().filter_map(|line| call(line, &file, &dir)).collect();
    // SQLite also syncs the directory after it created its journal, before the rename.
    let renamed = calls.iter().position(|call| *call == "it is renamed");
    let mut n = 0;
    calls.retain(|call| {
        n += 1;
        *call != "the directory is flushed" || renamed.is_some_and(|renamed| n > renamed)
    });
    Ok(Some(calls))
}

fn call(line: &str, file: &str, dir: &str) -> Option<&'static str> {
    let is_flush = line.contains("sync(") || line.contains("sync_file_range(");
    match () {
        () if is_flush && line.contains(file) => Some("the file is flushed"),
        () if is_flush && line.contains(&format!("<{dir}")) => Some("the directory is flushed"),
        () if line.contains("rename") && line.contains("\"traced\"") => Some("it is renamed"),
        () => None,
    }
}

fn an_image_and_its_directory_are_flushed_before_it_counts_as_cached(temp: &TempCache) -> Tested {
    let Some(calls) = calls(temp, Durability::Full)? else { return Ok(()) };
    assert_eq!(calls, ["the file is flushed", "it is renamed", "the directory is flushed"]);
    assert!(serve(&temp.open(), "traced")? == bytes(1, 600_000));
    Ok(())
}

fn with_rename_only_images_are_renamed_and_never_synced(temp: &TempCache) -> Tested {
    let Some(calls) = calls(temp, Durability::RenameOnly)? else { return Ok(()) };
    assert_eq!(calls, ["it is renamed"]);
    assert!(serve(&temp.open(), "traced")? == bytes(1, 600_000));
    temp.records_in_sync();
    Ok(())
}
