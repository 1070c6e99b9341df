//! The place of a driver's instance.

use crate::driver::context::DriverContext;
use crate::driver::error::CallError;
use crate::driver::host_state::HostState;
use crate::driver::instance::{Instance, Template};
use std::time::Instant;

/// The instance, or what is kept for the next one.
#[derive(Default)]
pub(super) struct Slot {
    pub live: Option<Instance>,
    pub idle: Option<HostState>,
}

impl Slot {
    /// The instance, made anew where there is none.
    pub fn live(
        &mut self,
        template: &Template,
        home: &DriverContext,
        until: Option<Instant>,
    ) -> Result<&mut Instance, CallError> {
        if self.live.is_none() {
            let state = self.idle.take().unwrap_or_else(|| HostState::new(home));
            match template.start(state, until) {
                Ok(live) => self.live = Some(live),
                Err(born) => {
                    self.idle = Some(born.state);
                    return Err(born.error);
                }
            }
        }
        self.live.as_mut().ok_or_else(|| CallError::Failed("there is no instance".into()))
    }

    /// Drops an instance whose database was removed or replaced, and says so.
    pub fn drop_replaced(&mut self) -> bool {
        let is_replaced = self.live.as_mut().is_some_and(Instance::close_replaced_database);
        if is_replaced {
            self.retire();
        }
        is_replaced
    }

    /// Drops the instance, and keeps what the next one can use.
    pub fn retire(&mut self) {
        if let Some(live) = self.live.take() {
            self.idle = Some(live.into_state());
        }
    }
}
