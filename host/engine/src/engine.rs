//! The wasmtime engine of the process: which WebAssembly features guests may use, and the ticks that interrupt them.
//!
//! All caches of a process share one engine and one thread for its ticks. A forked child has no such thread, and starts with an
//! engine of its own.

use crate::driver::load_error::LoadFault;
use image_cache_store::process::PerProcess;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;
use wasmparser::{Validator, WasmFeatures};
use wasmtime::{Config, Engine, Strategy, WasmBacktraceDetails};

/// How often a running guest's clock is checked: the precision of a deadline.
pub const TICK: Duration = Duration::from_millis(5);

/// After this many ticks without a call the ticker sleeps until the next one.
const IDLE_TICKS: u32 = 100;

/// Maximum native stack of a guest, in bytes.
const MAX_STACK: usize = 512 << 10;

/// WebAssembly features that no driver needs, and that most advisories of runtimes are about.
const SWITCHED_OFF: WasmFeatures = WasmFeatures::THREADS
    .union(WasmFeatures::SHARED_EVERYTHING_THREADS)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::GC)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::STACK_SWITCHING)
    .union(WasmFeatures::CM_ASYNC);

/// Guests may not use this feature, but wasmtime's own adapters between the parts of a composed component do: each copies
/// from one part's memory to another's. Without it wasmtime panics on such a component, so not the engine but [`validate`]
/// refuses it.
const FOR_ADAPTERS: WasmFeatures = WasmFeatures::MULTI_MEMORY;

/// How a guest's wrong access to memory is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Traps {
    /// By the processor, whose signal wasmtime handles.
    Signals,
    /// By instructions of the compiled code. The process has no signal handlers then.
    Checks,
}

impl Traps {
    /// As the option `image_cache_signal_handlers` requires.
    pub fn with_signal_handlers(are_allowed: bool) -> Traps {
        if are_allowed { Traps::Signals } else { Traps::Checks }
    }
}

/// What the drivers of a process share.
#[derive(Default)]
struct Shared {
    /// The engine for each kind of traps, created at first use; the reason why there is none, if that failed.
    signals: OnceLock<Result<Engine, LoadFault>>,
    checks: OnceLock<Result<Engine, LoadFault>>,
    /// The number of running calls.
    running: AtomicUsize,
    /// Whether the ticker sleeps, or is about to.
    is_parked: AtomicBool,
    /// The thread that ticks, which never ends; the reason why there is none, if it could not be started.
    ticker: OnceLock<Result<Thread, LoadFault>>,
}

static SHARED: PerProcess<Shared> = PerProcess::new();

/// The engine of this process.
pub fn engine(traps: Traps) -> Result<&'static Engine, LoadFault> {
    let shared = SHARED.get();
    let (place, engine) = match traps {
        Traps::Signals => (&shared.signals, true),
        Traps::Checks => (&shared.checks, false),
    };
    let engine = place.get_or_init(|| new_engine(engine)).as_ref().map_err(Clone::clone)?;
    shared.ticker.get_or_init(|| start_ticker(shared)).as_ref().map_err(Clone::clone)?;
    Ok(engine)
}

/// Refuses features that the engine supports but guests may not use. The engine itself refuses those that it does not support.
pub fn validate(component: &[u8]) -> Result<(), String> {
    let features = WasmFeatures::all().difference(FOR_ADAPTERS);
    let validated = Validator::new_with_features(features).validate_all(component);
    validated.map(drop).map_err(|e| e.to_string())
}

/// Keeps the ticks running while a guest runs. It costs two atomic operations, and a system call after
/// half a second without any call.
pub struct RunningCall(&'static Shared);

impl RunningCall {
    pub fn start() -> Self {
        let shared = SHARED.get();
        shared.running.fetch_add(1, Ordering::SeqCst);
        if shared.is_parked.load(Ordering::SeqCst)
            && shared.is_parked.swap(false, Ordering::SeqCst)
            && let Some(Ok(ticker)) = shared.ticker.get()
        {
            ticker.unpark();
        }
        RunningCall(shared)
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn new_engine(has_signals: bool) -> Result<Engine, LoadFault> {
    Engine::new(&engine_config(has_signals))
        .map_err(|error| LoadFault::NoEngine { reason: error.to_string() })
}

fn start_ticker(shared: &'static Shared) -> Result<Thread, LoadFault> {
    let builder = thread::Builder::new().name("image-cache-tick".into());
    let ticker = builder.spawn(move || tick(shared));
    let ticker = ticker.map_err(|error| LoadFault::NoThread { source: Arc::new(error) })?;
    Ok(ticker.thread().clone())
}

fn engine_config(has_signals: bool) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .concurrency_support(false)
        .wasm_features(SWITCHED_OFF.difference(FOR_ADAPTERS), false)
        .epoch_interruption(true)
        .signals_based_traps(has_signals)
        // A guest's debug information is hostile input, which wasmtime would read without a bound after each trap: `backtrace`
        // reads it within bounds.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .max_wasm_stack(MAX_STACK);
    config
}

/// Increments the epoch while calls run. The order of the two flags ensures that no call is missed: the ticker
/// first sets that it sleeps and then checks for calls; a call first sets that it runs and then checks for a sleeping ticker.
fn tick(shared: &Shared) {
    let mut idle = 0;
    loop {
        idle = if shared.running.load(Ordering::Relaxed) == 0 { idle + 1 } else { 0 };
        if idle > IDLE_TICKS {
            shared.is_parked.store(true, Ordering::SeqCst);
            while shared.is_parked.load(Ordering::SeqCst)
                && shared.running.load(Ordering::SeqCst) == 0
            {
                thread::park();
            }
            shared.is_parked.store(false, Ordering::SeqCst);
            idle = 0;
        }
        thread::sleep(TICK);
        for engine in [&shared.signals, &shared.checks] {
            if let Some(Ok(engine)) = engine.get() {
                engine.increment_epoch();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::{Instance, Module, Store};

    const LOOP: &str = r#"(module (func (export "f") (loop br 0)))"#;

    #[test]
    fn a_guest_that_loops_is_interrupted_after_the_ticker_has_slept() {
        for traps in [Traps::Signals, Traps::Checks] {
            let engine = engine(traps).expect("an engine");
            thread::sleep(TICK * (IDLE_TICKS + 20));
            interrupt(engine);
        }
    }

    fn interrupt(engine: &Engine) {
        let module =
            Module::new(engine, wat::parse_str(LOOP).expect("valid text")).expect("it compiles");
        let mut store = Store::new(engine, ());
        store.set_epoch_deadline(2);
        let _running = RunningCall::start();
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").expect("f");
        let trap = f.call(&mut store, ()).expect_err("it loops for ever");
        assert_eq!(trap.downcast_ref::<wasmtime::Trap>(), Some(&wasmtime::Trap::Interrupt));
    }

    #[test]
    fn features_that_drivers_do_not_need_are_disabled() {
        let engine = engine(Traps::Signals).expect("an engine");
        for text in [
            "(module (memory i64 1))",
            "(module (memory 1 1 shared))",
            "(module (type (struct)))",
            "(module (tag))",
        ] {
            let bytes = wat::parse_str(text).expect("valid text");
            assert!(Module::new(engine, bytes).is_err(), "{text}");
        }
    }

    #[test]
    fn two_memories_are_refused_in_any_module() {
        for text in [
            "(component (core module (memory 1) (memory 1)))",
            "(component (component (core module (memory 1) (memory 1))))",
            r#"(component (core module (import "a" "b" (memory 1)) (memory 1)))"#,
        ] {
            let bytes = wat::parse_str(text).expect("valid text");
            assert!(validate(&bytes).is_err_and(|words| words.contains("memor")), "{text}");
        }
    }

    /// Two components in one, each with a memory; the second passes a string to the first.
    const COMPOSED: &str = r#"(component
        (component $a
            (core module $m
                (memory (export "memory") 1)
                (func (export "f") (param i32 i32))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func (export "f") (param "s" string)
                (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
        (component $b
            (import "f" (func $f (param "s" string)))
            (core module $memory (memory (export "memory") 1))
            (core instance $memory (instantiate $memory))
            (core func $lowered (canon lower (func $f) (memory (core memory $memory "memory"))))
            (core module $m (import "" "f" (func (param i32 i32))))
            (core instance (instantiate $m (with "" (instance (export "f" (func $lowered)))))))
        (instance $first (instantiate $a))
        (instance (instantiate $b (with "f" (func $first "f")))))"#;

    #[test]
    fn a_component_of_several_parts_compiles() {
        let engine = engine(Traps::Signals).expect("an engine");
        let bytes = wat::parse_str(COMPOSED).expect("valid text");
        assert_eq!(validate(&bytes), Ok(()));
        assert!(wasmtime::component::Component::from_binary(engine, &bytes).is_ok());
    }
}
