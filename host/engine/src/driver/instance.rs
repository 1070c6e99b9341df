//! One instance of a driver: instantiated, configured, called within its limits, and dropped after a trap.

use super::backtrace::{self, DebugInfo};
use super::causes::causes;
use super::convert;
use super::deadline::DeadlineExceeded;
use super::driver_spec::{DriverSpec, Storage};
use super::error::{CallError, CallFailure, DriverError};
use super::exports::{ExportIndices, Exports};
use super::host_state::HostState;
use super::host_state::imports::link;
use super::load_error::LoadFault;
use super::memory_limiter::LimitExceeded;
use crate::bindings::exports::image_cache::driver::driver::ConfigurationError;
use crate::capability::{no_images, wasi};
use crate::engine::RunningCall;
use image_cache_model::{Grant, printable};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Store, Trap, UpdateDeadline};

/// Maximum memory of the host for the strings and lists that a guest passes in one call, in bytes.
const MAX_PASSED: usize = 16 << 20;

/// Maximum number of a guest's component-model handles.
const MAX_HANDLES: usize = 1000;

/// Words of wasmtime's messages about the two limits above: it has no type for them. Without these words such a failure counts as a
/// trap, which has the same consequences.
const WASMTIME_LIMITS: [&str; 2] =
    ["fuel allocated for hostcalls has been exhausted", "handle limit exceeded"];

/// A driver's linked component, from which instances are created.
pub(super) struct InstanceTemplate {
    pre: InstancePre<HostState>,
    /// Kept, so that other caches of this process find its code.
    _component: Arc<Component>,
    pub exports: ExportIndices,
    pub spec: DriverSpec,
    /// For the backtraces of traps, if the component has any.
    debug_info: Option<Arc<DebugInfo>>,
}

/// An instance of a driver, in a wasmtime store of its own.
///
/// [`InstanceTemplate`] creates it. After a call that failed it must not be called again: convert it into its [state](Self::into_state), from which the next instance is created. Dropping it also closes the driver's database.
pub(super) struct Instance {
    store: Store<HostState>,
    exports: Exports,
    has_wasi: bool,
    debug_info: Option<Arc<DebugInfo>>,
}

/// Why there is no instance. The state is kept for the next attempt, so that its database stays open.
pub(super) struct FailedStart {
    pub state: HostState,
    pub error: CallError,
}

impl InstanceTemplate {
    /// Links a component with its granted interfaces, and nothing else.
    pub fn new(component: &Arc<Component>, spec: DriverSpec) -> Result<Self, LoadFault> {
        let unlinkable = |error: wasmtime::Error| LoadFault::DoesNotLink { reason: causes(&error) };
        let mut linker = Linker::new(component.engine());
        let component_type = component.component_type();
        let imports = |interface: &str| {
            let of_ours = |name: &str| {
                let name = name.strip_prefix("image-cache:driver/")?;
                Some(name.split('@').next() == Some(interface))
            };
            let mut names = component_type.imports(component.engine());
            names.any(|(name, _)| of_ours(name) == Some(true))
        };
        link(&mut linker, &spec.config.grants, imports).map_err(unlinkable)?;
        let pre = linker.instantiate_pre(component).map_err(unlinkable)?;
        let exports = ExportIndices::new(&pre).map_err(unlinkable)?;
        let _component = Arc::clone(component);
        Ok(InstanceTemplate { pre, _component, exports, spec, debug_info: None })
    }

    /// The same with the debug information of the component.
    pub fn with_debug_info(self, debug_info: Option<DebugInfo>) -> Self {
        InstanceTemplate { debug_info: debug_info.map(Arc::new), ..self }
    }

    /// Whether its driver can access the images' files.
    pub fn sees_files(&self) -> bool {
        let grants = &self.spec.config.grants;
        grants.contains(&Grant::Attributes) || grants.contains(&Grant::Files)
    }

    /// A new instance, not configured yet; ready by `until`, if that is given.
    pub fn instantiate(
        &self,
        state: HostState,
        until: Option<Instant>,
    ) -> Result<Instance, Box<FailedStart>> {
        let mut store = Store::new(self.pre.component().engine(), state.for_new_instance());
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(MAX_PASSED);
        store.set_max_component_handles(MAX_HANDLES);
        store.epoch_deadline_callback(|mut context| {
            context.data_mut().clock.check()?;
            Ok(UpdateDeadline::Continue(1))
        });
        let has_wasi = self.spec.config.grants.contains(&Grant::Wasi);
        let made = timed(&mut store, has_wasi, until, |store| {
            let instance = self.pre.instantiate(&mut *store)?;
            self.exports.load(store, &instance)
        });
        match made {
            Ok(exports) => {
                let debug_info = self.debug_info.clone();
                Ok(Instance { store, exports, has_wasi, debug_info })
            }
            Err(error) => {
                let debug_info = self.debug_info.as_deref();
                let error = failed_call("instantiate", &error, store.data(), debug_info);
                Err(Box::new(FailedStart { state: store.into_data(), error }))
            }
        }
    }

    /// Configures an instance on an empty database in memory, and on no images.
    pub fn try_configuration(&self) -> Result<(), CallError> {
        let storage = Storage::Simulated(no_images(&self.spec));
        let spec = DriverSpec { storage, ..self.spec.clone() };
        self.start(HostState::new(&spec), None).map(drop).map_err(|failed| failed.error)
    }

    /// A new, configured instance; ready by `until`, if that is given.
    pub fn start(
        &self,
        state: HostState,
        until: Option<Instant>,
    ) -> Result<Instance, Box<FailedStart>> {
        let mut instance = self.instantiate(state, until)?;
        match instance.configure(&self.spec.config.options, until) {
            Ok(()) => Ok(instance),
            Err(error) => Err(Box::new(FailedStart { state: instance.into_state(), error })),
        }
    }
}

impl Instance {
    /// One call, within its limits, ended by `until` if that is given. After a trap or a deadline the instance is unusable.
    pub fn call<R: Send>(
        &mut self,
        call: &str,
        until: Option<Instant>,
        work: impl FnOnce(&Exports, &mut Store<HostState>) -> wasmtime::Result<R> + Send,
    ) -> Result<R, CallError> {
        let Instance { store, exports, has_wasi, debug_info } = self;
        let result = timed(store, *has_wasi, until, |store| work(exports, store));
        result.map_err(|trap| failed_call(call, &trap, store.data(), debug_info.as_deref()))
    }

    /// The driver's name and version.
    pub fn describe(&mut self) -> Result<(String, String), CallError> {
        let describe = |exports: &Exports, store: &mut _| exports.driver().call_describe(store);
        let description = self.call("describe", None, describe)?;
        convert::description(description).map_err(CallError::InvalidDescription)
    }

    fn configure(
        &mut self,
        options: &BTreeMap<String, String>,
        until: Option<Instant>,
    ) -> Result<(), CallError> {
        let options: Vec<(String, String)> = options.clone().into_iter().collect();
        let configure =
            |exports: &Exports, store: &mut _| exports.driver().call_configure(store, &options);
        let answer = self.call("configure", until, configure);
        if let Some(words) = self.state().corruption() {
            return Err(CallError::Corrupt(words.into()));
        }
        let was_busy = self.state().was_busy();
        answer?.map_err(|error| match error {
            ConfigurationError::Other(_) if was_busy => CallError::Refused(DriverError::Busy),
            error => CallError::ConfigurationRefused {
                refusal: convert::configuration_error(error),
                statement: self.state().log.failed_statement().map(str::to_owned),
            },
        })
    }

    pub fn state(&self) -> &HostState {
        self.store.data()
    }

    /// Closes its database if that was removed or replaced since the start, because tables are missing; returns whether it did.
    pub fn close_replaced_database(&mut self) -> bool {
        let cache = self.store.data_mut().cache.as_mut();
        cache.is_some_and(|cache| cache.database.close_if_replaced())
    }

    /// The same, if the file of its database was emptied.
    pub fn close_emptied_database(&mut self) -> bool {
        let cache = self.store.data_mut().cache.as_mut();
        cache.is_some_and(|cache| cache.database.close_if_emptied())
    }

    pub fn into_state(self) -> HostState {
        self.store.into_data()
    }
}

/// Runs guest code with its clocks started and the ticker awake.
fn timed<R: Send>(
    store: &mut Store<HostState>,
    has_wasi: bool,
    until: Option<Instant>,
    work: impl FnOnce(&mut Store<HostState>) -> R + Send,
) -> R {
    let _running = RunningCall::start();
    store.data_mut().begin_call(until);
    store.set_epoch_deadline(1);
    let result = if has_wasi { wasi::on_own_thread(|| work(store)) } else { work(store) };
    store.data_mut().end_call();
    result
}

/// Why a call ended, the guest's last message (the text of its panic, if it has a panic hook), and the functions that ran.
fn failed_call(
    call: &str,
    error: &wasmtime::Error,
    state: &HostState,
    debug_info: Option<&DebugInfo>,
) -> CallError {
    let (kind, cause) = cause_of(error, state);
    kind(Box::new(CallFailure {
        call: call.to_owned(),
        cause,
        message: state.log.last_error().map(str::to_owned),
        statement: state.log.failed_statement().map(str::to_owned),
        functions: backtrace::functions(error, debug_info),
    }))
}

/// The kind of a failure, and its cause in words. If the number of a component's parts is exceeded, the words name the limit to
/// raise, because wasmtime's message does not.
fn cause_of(
    error: &wasmtime::Error,
    state: &HostState,
) -> (fn(Box<CallFailure>) -> CallError, String) {
    if let Some(exceeded) = error.downcast_ref::<DeadlineExceeded>() {
        return (CallError::TimedOut, exceeded.to_string());
    }
    let words = printable(&error.root_cause().to_string(), 1024);
    if words.starts_with("resource limit exceeded") {
        let most = state.memory.max_parts;
        let words = format!(
            "{words}; it may have {most} core instances, memories and tables each: if it is composed of more, raise `limits.instances`"
        );
        return (CallError::LimitReached, words);
    }
    let is_limit = error.downcast_ref::<LimitExceeded>().is_some()
        || error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow)
        || WASMTIME_LIMITS.iter().any(|limit| words.contains(limit));
    (if is_limit { CallError::LimitReached } else { CallError::Trapped }, words)
}
