//! A guest of WASI that waits, and the contents of its context.

use super::on_own_thread;
use crate::capability::capacity::CacheLimits;
use crate::driver::driver_spec::{DriverSpec, Storage};
use crate::driver::host_state::HostState;
use crate::driver::host_state::wasi_imports;
use crate::engine::{Traps, engine};
use image_cache_model::{CompiledDrivers, Config, DriverConfig};
use std::time::Duration;
use wasmtime::component::{Component, Linker};
use wasmtime::{Store, UpdateDeadline};

/// Waits for its parameter's number of nanoseconds.
const WAITING: &str = r#"(component
    (import "wasi:io/poll@0.2.6" (instance $poll
        (export "pollable" (type $pollable (sub resource)))
        (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
    (alias export $poll "pollable" (type $pollable))
    (import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock
        (alias outer 1 $pollable (type $outer))
        (export "pollable" (type $p (eq $outer)))
        (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
    (core func $subscribe (canon lower (func $clock "subscribe-duration")))
    (core func $block (canon lower (func $poll "[method]pollable.block")))
    (core module $m
        (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
        (import "host" "block" (func $block (param i32)))
        (func (export "wait") (param i64) (call $block (call $subscribe (local.get 0)))))
    (core instance $i (instantiate $m (with "host" (instance
        (export "subscribe" (func $subscribe)) (export "block" (func $block))))))
    (func (export "wait") (param "time" u64) (canon lift (core func $i "wait"))))"#;

fn wait(nanoseconds: u64) -> wasmtime::Result<()> {
    let engine = engine(Traps::Signals).expect("an engine");
    let mut linker = Linker::new(engine);
    wasi_imports::link(&mut linker)?;
    let component = Component::new(engine, wat::parse_str(WAITING)?)?;
    let mut config = DriverConfig::default();
    config.limits.call_time = Duration::from_millis(100);
    let spec = DriverSpec {
        name: "waiting".into(),
        built_in: None,
        config,
        storage: Storage::None,
        manifest: None,
        digest: None,
        cache_limits: CacheLimits::of(&Config::builder("/nowhere").build().expect("it is valid")),
        sqlite_db: "cache.db".into(),
        compiled: CompiledDrivers::None,
        traps: Traps::Signals,
    };
    let mut store = Store::new(engine, HostState::new(&spec));
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
    store.set_epoch_deadline(1);
    store.data_mut().begin_call(None);
    let instance = linker.instantiate(&mut store, &component)?;
    instance.get_typed_func::<(u64,), ()>(&mut store, "wait")?.call(&mut store, (nanoseconds,))
}

#[test]
fn a_wait_ends_after_its_time() {
    wait(1_000_000).expect("a millisecond passes");
}

#[test]
fn a_wait_of_an_hour_ends_with_the_call() {
    let error = wait(3_600_000_000_000).expect_err("an hour is too long");
    assert!(error.root_cause().to_string().contains("longer than a call"), "{error:?}");
}

#[test]
fn a_wait_inside_an_asynchronous_runtime_does_not_panic() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { on_own_thread(|| wait(1_000_000)) }).expect("a millisecond passes");
}
