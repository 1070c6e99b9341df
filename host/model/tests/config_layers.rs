//! Files, environment and flags in layers, oslo.config files, and the builder.

#![cfg(feature = "config-files")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use image_cache_model::{Config, ConfigError, ConfigLayers, ConfigOption, DriverConfig};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

fn file(name: &str, text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

fn from_file(name: &str, text: &str) -> Result<Config, ConfigError> {
    let (_directory, path) = file(name, text);
    Config::from_file(&path)
}

fn variables<const N: usize>(variables: [(&str, &str); N]) -> [(OsString, OsString); N] {
    variables.map(|(name, value)| (name.into(), value.into()))
}

#[test]
fn a_flag_overrides_the_environment_which_overrides_the_file() {
    let (_directory, path) = file(
        "a.toml",
        "image_cache_dir = \"/file\"\nimage_cache_max_size = 1\nimage_cache_stall_time = 1\nimage_cache_hit_delay = 1",
    );
    let config = ConfigLayers::new()
        .file(&path)
        .environment(variables([
            ("IMAGE_CACHE_MAX_SIZE", "2"),
            ("IMAGE_CACHE_STALL_TIME", "2"),
            ("IMAGE_CACHE_HIT_DELAY", ""),
            ("IMAGE_CACHE_SQLITE_DB", "env.db"),
            ("IMAGE_CACHE_OTHER", "no option"),
        ]))
        .flag("--stall-time", ConfigOption::StallTime, "3".as_ref())
        .build()
        .unwrap();
    assert_eq!(config.dir, Path::new("/file"));
    assert_eq!(config.max_size, 2);
    assert_eq!(config.stall_time, Duration::from_secs(3));
    assert_eq!(config.hit_delay, Duration::from_secs(1), "an empty variable counts as not set");
    assert_eq!(config.sqlite_db, Path::new("env.db"));
}

#[test]
fn the_faults_of_all_layers_are_reported_together() {
    let (_directory, path) = file("a.toml", "image_cache_max_size = \"x\"");
    let error = ConfigLayers::new()
        .file(&path)
        .environment(variables([("IMAGE_CACHE_STALL_TIME", "y")]))
        .flag("--hit-delay", ConfigOption::HitDelay, "z".as_ref())
        .flag("--max-size", ConfigOption::MaxSize, "5".as_ref())
        .build()
        .unwrap_err();
    let origins: Vec<_> = error.faults.iter().map(|fault| fault.origin.clone()).collect();
    let in_file = format!("{}:1", path.display());
    assert_eq!(origins, [in_file.as_str(), "$IMAGE_CACHE_STALL_TIME", "--hit-delay", ""]);
}

#[test]
fn a_directory_may_have_a_name_that_is_not_utf8_and_a_driver_may_not() {
    let odd = OsStr::from_bytes(b"/cache/\xff");
    let config = ConfigLayers::new().flag("--cache-dir", ConfigOption::Dir, odd).build().unwrap();
    assert_eq!(config.dir.as_os_str(), odd);
    let error = ConfigLayers::new()
        .flag("--cache-dir", ConfigOption::Dir, odd)
        .flag("--driver", ConfigOption::Driver, odd)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("which is not UTF-8"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_one_fault() {
    let error = Config::from_file(Path::new("/nowhere/image-cache.toml")).unwrap_err();
    assert_eq!(error.faults.len(), 1);
    assert!(error.to_string().contains("/nowhere/image-cache.toml: found No such file"), "{error}");
    let (directory, path) = file("a.toml", b"image_cache_dir = \"/c\"\n# \xff");
    let error = Config::from_file(&path).unwrap_err();
    assert!(error.to_string().contains("not UTF-8, in line 2"), "{error}");
    assert!(Config::from_file(directory.path()).is_err(), "a directory is not a file");
    let error = Config::from_file(Path::new("/dev/zero")).unwrap_err();
    assert!(error.to_string().contains("it is a device; a regular file is needed"), "{error}");
    let (_directory, path) = file("large.toml", b"");
    std::fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("it is sparse");
    let error = Config::from_file(&path).unwrap_err();
    assert!(error.to_string().contains("more than 4 MiB"), "{error}");
}

const GLANCE: &str = r#"
# Glance's own
[DEFAULT]
#image_cache_dir = /commented/out
debug = true
bind_port: 9292
state_path = /var/lib
image_cache_dir = ${state_path}/$name/cache
name = 'glance'
image_cache_driver = "xattr"
image_cache_max_size=1
image_cache_max_size : 5368709120
image_cache_stall_time =
    3600
image_cache_hit_delay = not ours in this file
log_format = %(asctime)s [%(name)s] $ 5$$

; another section
[glance_store]
image_cache_max_size = 7
filesystem_store_datadir = C:\images\
default_backend = file:///x=y
"#;

#[test]
fn an_oslo_file_is_read_like_oslo_reads_it() {
    for name in ["glance-api.conf", "cache.ini", "cache", "cache.toml"] {
        let config = from_file(name, GLANCE).unwrap();
        assert_eq!(config.dir, Path::new("/var/lib/glance/cache"), "{name}");
        assert_eq!(config.driver, "xattr");
        assert_eq!(config.max_size, 5_368_709_120, "the last of a repeated key wins");
        assert_eq!(
            config.stall_time,
            Duration::from_secs(3_600),
            "a value may continue on the next line"
        );
        assert_eq!(config.hit_delay, Duration::ZERO);
    }
    let crlf = from_file("a.conf", &GLANCE.replace('\n', "\r\n")).unwrap();
    assert_eq!(crlf.dir, Path::new("/var/lib/glance/cache"));
}

#[test]
fn an_oslo_file_refers_into_other_sections_and_escapes_dollars() {
    let text = "[DEFAULT]\nimage_cache_dir = ${paths.root}/a$$b\\$c\n[paths]\nroot = /r\n";
    assert_eq!(from_file("a.conf", text).unwrap().dir, Path::new("/r/a$b$c"));
}

#[test]
fn faults_in_an_oslo_file_name_the_line_and_the_key() {
    for (text, expected) in [
        (
            "image_cache_dir = $state_path/cache",
            ":2: image_cache_dir: found $state_path, which this file gives no value",
        ),
        (
            "image_cache_dir = $image_cache_dir",
            ":2: image_cache_dir: found $image_cache_dir, which refers to itself",
        ),
        (
            "image_cache_dir = /c\nimage_cache_max_size = 10 Gigs",
            ":3: image_cache_max_size: found \"10 Gigs\"",
        ),
        (
            "image_cache_dir = /c\nimage_cache_stall_time = -1",
            ":3: image_cache_stall_time: found \"-1\"",
        ),
        (
            "image_cache_dir = /c\nimage_cache_sqlite_db = /x.db",
            ":3: image_cache_sqlite_db: found \"/x.db\", which is absolute",
        ),
        ("image_cache_dir =", ":2: image_cache_dir: found \"\""),
        ("a stray line\nimage_cache_dir = /c", ":2: found \"a stray line\""),
        (
            "image_cache_dir = /c\nnever assigned",
            ":3: found \"never assigned\"; accepted: [section]",
        ),
    ] {
        let error = from_file("a.conf", &format!("[DEFAULT]\n{text}\n")).unwrap_err();
        assert_eq!(error.faults.len(), 1, "{error}");
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
}

#[test]
fn references_cannot_make_a_value_too_large() {
    let mut text =
        format!("[DEFAULT]\nimage_cache_dir = {}\na0 = {}\n", "$a7".repeat(16), "x".repeat(64));
    for level in 1..8 {
        text += &format!("a{level} = {}\n", format!("$a{}", level - 1).repeat(16));
    }
    let error = from_file("a.conf", &text).unwrap_err();
    assert!(error.to_string().contains("at most 16 KiB"), "{error}");
}

#[test]
fn a_toml_file_is_known_by_its_content_too() {
    let config = from_file("image-cache", "# ours\nimage_cache_dir = \"/c\"\n").unwrap();
    assert_eq!(config.dir, Path::new("/c"));
}

#[test]
fn the_builder_checks_like_the_file() {
    let mut driver = DriverConfig::new("");
    driver.limits.guest_time = Duration::from_secs(3);
    let error = Config::builder("")
        .driver("")
        .max_size(u64::MAX)
        .stall_time(Duration::MAX)
        .sqlite_db("/x")
        .hit_delay(Duration::MAX)
        .min_free(u64::MAX)
        .other_writer_patience(Duration::ZERO)
        .policy_min_age(Duration::MAX)
        .define_driver("Xattr", driver)
        .build()
        .unwrap_err();
    let keys: Vec<_> = error.faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "image_cache_dir",
            "image_cache_driver",
            "image_cache_max_size",
            "image_cache_stall_time",
            "image_cache_sqlite_db",
            "image_cache_hit_delay",
            "image_cache_min_free",
            "image_cache_other_writer_patience",
            "image_cache_policy_min_age",
            "drivers.Xattr",
            "drivers.Xattr.component",
            "drivers.Xattr.limits.guest_time",
        ]
    );
    assert!(error.faults.iter().all(|fault| fault.origin == "the builder"));
    let config =
        Config::builder("/c").driver("XATTR").sqlite_db("./a/./b.db").max_size(0).build().unwrap();
    assert_eq!(
        (config.driver.as_str(), config.sqlite_db.as_path()),
        ("xattr", Path::new("a/b.db"))
    );
}
