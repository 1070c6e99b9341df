//! The one wasmtime engine of the process: which WebAssembly features guests may use, and the ticks that interrupt them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
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

/// The number of running calls.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// Whether the ticker sleeps, or is about to.
static PARKED: AtomicBool = AtomicBool::new(false);
/// The ticker, which is never freed; null before the first one.
static TICKER: AtomicPtr<Thread> = AtomicPtr::new(std::ptr::null_mut());
/// The process in which the ticker runs.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// The engine, created at first use; the reason why there is none, if that failed.
///
/// A forked child inherits the engine, but no thread: the first use in a child starts its ticker.
pub fn engine() -> Result<&'static Engine, String> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    let engine = ENGINE.get_or_init(new_engine).as_ref().map_err(Clone::clone)?;
    let process = std::process::id();
    if PROCESS.swap(process, Ordering::SeqCst) != process {
        // The calls of the parent's other threads do not run here.
        RUNNING.store(0, Ordering::SeqCst);
        PARKED.store(false, Ordering::SeqCst);
        start_ticker(engine).inspect_err(|_| PROCESS.store(0, Ordering::SeqCst))?;
    }
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
pub struct RunningCall(());

impl RunningCall {
    pub fn start() -> Self {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        if PARKED.load(Ordering::SeqCst)
            && PARKED.swap(false, Ordering::SeqCst)
            // SAFETY: the pointer is null or to a leaked value.
            && let Some(ticker) = unsafe { TICKER.load(Ordering::SeqCst).as_ref() }
        {
            ticker.unpark();
        }
        RunningCall(())
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}

fn new_engine() -> Result<Engine, String> {
    Engine::new(&engine_config()).map_err(|e| no_engine(&e))
}

fn start_ticker(engine: &Engine) -> Result<(), String> {
    let ticked = engine.clone();
    let ticker = thread::Builder::new()
        .name("image-cache-tick".into())
        .spawn(move || tick(&ticked))
        .map_err(|e| no_engine(&e))?;
    TICKER.store(Box::into_raw(Box::new(ticker.thread().clone())), Ordering::SeqCst);
    Ok(())
}

fn no_engine(why: &dyn std::fmt::Display) -> String {
    format!("WebAssembly cannot run in this process: {why}")
}

fn engine_config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .concurrency_support(false)
        .wasm_features(SWITCHED_OFF.difference(FOR_ADAPTERS), false)
        .epoch_interruption(true)
        // A guest's debug information is hostile input, which wasmtime would read without a bound after each trap.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .max_wasm_stack(MAX_STACK);
    config
}

/// Increments the epoch while calls run. The order of the two flags ensures that no call is missed: the ticker
/// first sets that it sleeps and then checks for calls; a call first sets that it runs and then checks for a sleeping ticker.
fn tick(engine: &Engine) {
    let mut idle = 0;
    loop {
        idle = if RUNNING.load(Ordering::Relaxed) == 0 { idle + 1 } else { 0 };
        if idle > IDLE_TICKS {
            PARKED.store(true, Ordering::SeqCst);
            while PARKED.load(Ordering::SeqCst) && RUNNING.load(Ordering::SeqCst) == 0 {
                thread::park();
            }
            PARKED.store(false, Ordering::SeqCst);
            idle = 0;
        }
        thread::sleep(TICK);
        engine.increment_epoch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::{Instance, Module, Store};

    const LOOP: &str = r#"(module (func (export "f") (loop br 0)))"#;

    #[test]
    fn a_guest_that_loops_is_interrupted_after_the_ticker_has_slept() {
        let engine = engine().expect("an engine");
        thread::sleep(TICK * (IDLE_TICKS + 20));
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
        let engine = engine().expect("an engine");
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
        let engine = engine().expect("an engine");
        let bytes = wat::parse_str(COMPOSED).expect("valid text");
        assert_eq!(validate(&bytes), Ok(()));
        assert!(wasmtime::component::Component::from_binary(engine, &bytes).is_ok());
    }
}
