//! A cache directory that an attacker can change: whatever is planted in place of a driver's database or of SQLite's files beside
//! it, nothing outside of the directory is written, created or given another owner, and no operation blocks.

use image_cache::{Config, ConfigBuilder, DriverConfig, Expected, Grant, ImageCache};
use image_cache_tests::components::Trial;
use image_cache_tests::{Tested, fill, is_root, listed, read_all, serve};
use rustix::fs::{CWD, FileType, Mode};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Five times the longest permitted wait.
const BOUND: Duration = Duration::from_secs(5);

const ENDINGS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// The driver of the database.
#[derive(Debug, Clone, Copy)]
enum Whose {
    Sqlite,
    /// The same in a folder.
    Deeper,
    AnotherDriver,
}

impl Whose {
    const ALL: [Whose; 3] = [Whose::Sqlite, Whose::Deeper, Whose::AnotherDriver];

    fn config(self, trial: &Trial) -> ConfigBuilder {
        match self {
            Whose::Sqlite => Config::builder(trial.dir()),
            Whose::Deeper => Config::builder(trial.dir()).sqlite_db("below/records.db"),
            Whose::AnotherDriver => {
                let mut driver = DriverConfig::new(env!("GUEST_GDSF"));
                driver.grants.insert(Grant::Sql);
                trial.config(driver)
            }
        }
    }

    fn database(self, trial: &Trial) -> PathBuf {
        trial.path(match self {
            Whose::Sqlite => "cache.db",
            Whose::Deeper => "below/records.db",
            Whose::AnotherDriver => ".image-cache/drivers/tried.db",
        })
    }
}

/// The planted object.
#[derive(Debug, Clone, Copy)]
enum Kind {
    LinkToAFile,
    LinkToNothing,
    LinkToADatabase,
    HardLink,
    Pipe,
    Socket,
    Folder,
    Device,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::LinkToAFile,
        Kind::LinkToNothing,
        Kind::LinkToADatabase,
        Kind::HardLink,
        Kind::Pipe,
        Kind::Socket,
        Kind::Folder,
        Kind::Device,
    ];

    /// Plants it; returns false if that is not permitted.
    fn plant(self, outside: &Path, at: &Path) -> Tested<bool> {
        match self {
            Kind::LinkToAFile => symlink(outside.join("secret"), at)?,
            Kind::LinkToNothing => symlink(outside.join("new"), at)?,
            Kind::LinkToADatabase => symlink(outside.join("other.db"), at)?,
            Kind::HardLink => fs::hard_link(outside.join("secret"), at)?,
            Kind::Pipe => rustix::fs::mknodat(CWD, at, FileType::Fifo, Mode::RWXU, 0)?,
            Kind::Socket => drop(UnixListener::bind(at)?),
            Kind::Folder => fs::create_dir(at)?,
            Kind::Device => {
                let zero = rustix::fs::makedev(1, 5);
                let made =
                    rustix::fs::mknodat(CWD, at, FileType::CharacterDevice, Mode::RWXU, zero);
                return Ok(made.is_ok());
            }
        }
        Ok(true)
    }
}

/// Names with content, owner, group and mode.
type Found = BTreeMap<PathBuf, (Vec<u8>, u32, u32, u32)>;

/// The files that must not change.
fn look(outside: &Path) -> Tested<Found> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(outside)? {
        let path = entry?.path();
        let is = fs::symlink_metadata(&path)?;
        let content = if is.is_file() { fs::read(&path)? } else { Vec::new() };
        found.insert(path, (content, is.uid(), is.gid(), is.mode()));
    }
    Ok(found)
}

/// A directory beside the cache, with the files that must not change.
fn outside(trial: &Trial) -> Tested<PathBuf> {
    let outside = trial.beside("outside");
    fs::create_dir(&outside)?;
    fs::write(outside.join("secret"), "")?;
    let database = rusqlite::Connection::open(outside.join("other.db"))?;
    database.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES (1)")?;
    Ok(outside)
}

/// Runs a function that must end in time.
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, end) = channel();
    thread::spawn(move || drop(done.send(work())));
    end.recv_timeout(BOUND).unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Opens the cache and uses it, if it can be opened.
fn use_it(config: ConfigBuilder) -> Result<(), String> {
    let config = config.build().map_err(|error| error.to_string())?;
    let cache = ImageCache::open(config).map_err(|error| error.to_string())?;
    // The records may be removed at any time.
    let passing = cache.caching_reader("a", &b"image"[..], Expected::nothing());
    assert_eq!(read_all(passing.expect("it starts")).expect("the source is sound"), b"image");
    let _ = (cache.cached_images(), cache.prune(), cache.delete_all_cached_images());
    Ok(())
}

/// Gives the directory to another user if the tests run as root.
fn give_away(trial: &Trial) -> Tested {
    if rustix::process::geteuid().is_root() {
        let mut folders = vec![trial.dir()];
        while let Some(folder) = folders.pop() {
            chown(&folder, Some(4711), Some(4711))?;
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                match entry.file_type()?.is_dir() {
                    true => folders.push(entry.path()),
                    false => chown(entry.path(), Some(4711), Some(4711))?,
                }
            }
        }
    }
    Ok(())
}

#[test]
fn an_object_planted_in_place_of_a_database_changes_nothing_outside_and_blocks_no_operation()
-> Tested {
    if !is_root("a directory of another user") {
        eprintln!("it is one's own directory then");
    }
    for whose in Whose::ALL {
        for kind in Kind::ALL {
            for ending in ENDINGS {
                let case = format!("{whose:?}, {kind:?} at {ending:?}");
                let trial = Trial::new();
                let outside = outside(&trial)?;
                // All folders exist.
                use_it(whose.config(&trial))?;
                give_away(&trial)?;
                let database = whose.database(&trial);
                let at = PathBuf::from(format!("{}{ending}", database.display()));
                if at.exists() {
                    fs::remove_file(&at)?;
                }
                if !kind.plant(&outside, &at)? {
                    image_cache_tests::skip(&case);
                    continue;
                }
                let before = look(&outside)?;
                let config = whose.config(&trial);
                let used = in_time(&case, move || use_it(config));
                assert_eq!(look(&outside)?, before, "{case}: {used:?}");
                if let Err(words) = used {
                    let name = at.file_name().expect("a name").to_string_lossy().into_owned();
                    assert!(words.contains(&name), "{case}: {words}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn an_object_planted_while_the_cache_is_open_changes_nothing_outside() -> Tested {
    for whose in Whose::ALL {
        for kind in Kind::ALL {
            let case = format!("{whose:?}, {kind:?}");
            let trial = Trial::new();
            let outside = outside(&trial)?;
            use_it(whose.config(&trial))?;
            give_away(&trial)?;
            let cache = ImageCache::open(whose.config(&trial).build()?)?;
            fill(&cache, "first", b"image");
            let database = whose.database(&trial);
            let mut planted = true;
            for ending in ENDINGS {
                let at = PathBuf::from(format!("{}{ending}", database.display()));
                let _ = fs::remove_file(&at);
                planted &= kind.plant(&outside, &at)?;
            }
            if !planted {
                image_cache_tests::skip(&case);
                continue;
            }
            let before = look(&outside)?;
            in_time(&case, move || {
                assert_eq!(serve(&cache, "first").expect("it is cached"), b"image");
                // The reader gets the image, whether or not it can be recorded.
                let second = cache.caching_reader("second", &b"another"[..], Expected::nothing());
                let second = read_all(second.expect("it starts"));
                assert_eq!(second.expect("the source is sound"), b"another");
                assert_eq!(serve(&cache, "first").expect("it is cached"), b"image");
                drop(cache);
            });
            assert_eq!(look(&outside)?, before, "{case}");
        }
    }
    Ok(())
}

#[test]
fn a_folder_that_is_swapped_for_a_link_leads_no_database_outside() -> Tested {
    for whose in [Whose::Deeper, Whose::AnotherDriver] {
        let trial = Trial::new();
        let outside = trial.beside("outside");
        fs::create_dir(&outside)?;
        use_it(whose.config(&trial))?;
        let database = whose.database(&trial);
        let folder = database.parent().ok_or("it is in a folder")?.to_owned();
        let away = folder.with_extension("away");
        // While the cache is open, and when it is opened.
        let cache = ImageCache::open(whose.config(&trial).build()?)?;
        fs::rename(&folder, &away)?;
        symlink(&outside, &folder)?;
        let passing = cache.caching_reader("b", &b"image"[..], Expected::nothing())?;
        assert_eq!(read_all(passing)?, b"image");
        drop(cache);
        let _ = use_it(whose.config(&trial));
        assert!(look(&outside)?.is_empty(), "{whose:?}: {:?}", look(&outside)?);
        // The object is also swapped repeatedly meanwhile.
        fs::remove_file(&folder)?;
        symlink(&outside, trial.beside("link"))?;
        fs::rename(&away, &folder)?;
        let over = AtomicBool::new(false);
        let link = trial.beside("link");
        thread::scope(|scope| -> Tested {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let flags = rustix::fs::RenameFlags::EXCHANGE;
                    let swapped = rustix::fs::renameat_with(CWD, &folder, CWD, &link, flags);
                    swapped.expect("the file system can exchange names");
                }
            });
            for _ in 0..100 {
                let _ = use_it(whose.config(&trial));
            }
            over.store(true, Ordering::Relaxed);
            Ok(())
        })?;
        let found = look(&outside)?;
        assert!(found.is_empty(), "{whose:?}: {found:?}");
        if fs::symlink_metadata(&folder)?.is_symlink() {
            fs::remove_file(&folder)?;
        }
        assert!(listed(&image_cache_tests::components::open(whose.config(&trial))).len() < 2);
    }
    Ok(())
}

#[test]
fn the_database_of_a_cache_that_was_moved_away_is_not_looked_for_elsewhere() -> Tested {
    let trial = Trial::new();
    let cache = ImageCache::open(Config::builder(trial.dir()).driver("sqlite").build()?)?;
    fill(&cache, "a", b"image");
    fs::rename(trial.dir(), trial.beside("moved"))?;
    fs::create_dir(trial.dir())?;
    fill(&cache, "b", b"image");
    assert_eq!((listed(&cache).len(), serve(&cache, "b")?), (2, b"image".to_vec()));
    assert_eq!(fs::read_dir(trial.dir())?.count(), 0);
    Ok(())
}
