//! Drivers for tests, written as text: every export returns "ok" with an empty value unless the test sets its body.

use super::Driver;
use image_cache_model::{Config, DriverConfig, Grant, Limits};
use image_cache_store::Directory;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The exports, their core signatures, and their results: the address of zeros, which is an empty success.
const EXPORTS: [(&str, &str, &str); 11] = [
    ("describe", "(result i32)", "(i32.const 16)"),
    ("configure", "(param i32 i32) (result i32)", OK),
    ("is-cacheable", "(param i32 i32 i32 i64 i64) (result i32)", OK),
    ("record-cached", "(param i32 i32 i64 i64 i64 i64 i32 i32 i32 i32) (result i32)", OK),
    ("record-hits", "(param i32 i32) (result i32)", OK),
    ("forget", "(param i32 i32) (result i32)", OK),
    ("get-cached-image", "(param i32 i32) (result i32)", OK),
    ("get-cached-images", "(param i32 i32 i32 i32) (result i32)", OK),
    ("get-cache-size", "(result i32)", OK),
    ("select-victims", "(param i64 i64 i32 i32 i32) (result i32)", OK),
    ("select-leftovers", "(param i32 i32 i64 i64) (result i32)", OK),
];

const OK: &str = "(i32.const 4096)";

/// A name and a version at 32, and their addresses at 16; zeros from 4096 on; arguments are stored from 8192 on.
const GROUND: &str = r#"
    (memory (export "memory") 2)
    (data (i32.const 16) "\20\00\00\00\04\00\00\00\24\00\00\00\03\00\00\00")
    (data (i32.const 32) "text1.0")
    (global $next (mut i32) (i32.const 8192))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
        (global.set $next (i32.add (local.get $at) (local.get 3)))
        (if (i32.gt_u (global.get $next) (i32.const 131072))
            (then (global.set $next (i32.const 8192)) (local.set $at (i32.const 8192))))
        (local.get $at))
"#;

/// A component whose named exports have other bodies, with `more` (imports, data) in its core module.
pub(super) fn component(bodies: &[(&str, &str)], more: &str) -> Vec<u8> {
    component_of("image-cache:driver/driver@1.1.0", bodies, more)
}

/// The same with another interface name.
fn component_of(interface: &str, bodies: &[(&str, &str)], more: &str) -> Vec<u8> {
    let mut text = format!("(module {more} {GROUND}");
    for (name, signature, body) in EXPORTS {
        let body = bodies.iter().find(|(other, _)| *other == name).map_or(body, |(_, body)| body);
        text += &format!("(func (export \"{interface}#{name}\") {signature} {body})\n");
    }
    let mut module = wat::parse_str(text + ")").expect("a body is well-formed text");
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
    let (package, _) = resolve.push_dir(wit).expect("the interface parses");
    let world =
        resolve.select_world(&[package], Some("image-cache-driver")).expect("the world exists");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("it takes the metadata");
    let encoder = ComponentEncoder::default().module(&module);
    let mut encoder = encoder.expect("the module matches");
    encoder.encode().expect("it becomes a component")
}

/// A temporary cache directory, removed when this is dropped.
pub(super) struct Cache {
    pub place: tempfile::TempDir,
    pub directory: Arc<Directory>,
}

impl Cache {
    pub fn new() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let base = place.path().join("cache");
        let directory = Directory::open(&base, Path::new("cache.db")).expect("it opens");
        Cache { place, directory: Arc::new(directory) }
    }

    /// A configuration in which `name` is this component.
    pub fn config(&self, name: &str, bytes: &[u8], grants: &[Grant], limits: Limits) -> Config {
        let path = self.place.path().join("driver.wasm");
        std::fs::write(&path, bytes).expect("it is writable");
        let mut driver = DriverConfig::new(path);
        (driver.grants, driver.limits) = (grants.iter().copied().collect(), limits);
        let builder = Config::builder(self.directory.path()).define_driver(name, driver);
        builder.build().expect("a valid configuration")
    }

    /// A driver of this component, without grants, with little processor time, and much time for a call: a busy machine uses up the
    /// second, not the first.
    pub fn driver(&self, bytes: &[u8]) -> Driver {
        let mut limits = short_limits();
        limits.call_time = Duration::from_secs(30);
        let config = self.config("text", bytes, &[], limits);
        Driver::load("text", &config, Arc::clone(&self.directory)).expect("it loads")
    }

    /// A built-in driver.
    pub fn built_in(&self, name: &str) -> Driver {
        let config = Config::builder(self.directory.path()).build().expect("a valid configuration");
        Driver::load(name, &config, Arc::clone(&self.directory)).expect("it loads")
    }
}

/// Limits for which a test need not wait.
pub(super) fn short_limits() -> Limits {
    let mut limits = Limits::default();
    limits.memory = 1 << 20;
    limits.guest_time = Duration::from_millis(50);
    limits.call_time = Duration::from_millis(300);
    limits
}
