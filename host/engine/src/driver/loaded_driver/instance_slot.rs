//! The slot for a driver's instance.

use crate::driver::error::CallError;
use crate::driver::host_state::HostState;
use crate::driver::instance::{Instance, InstanceTemplate};
use std::time::Instant;

/// The instance, or the state for the next one.
///
/// A trap or a deadline makes an instance unusable, but its database should stay open and its peaks should be kept: the slot moves
/// this state from one instance to the next. It is empty only before the first call and while a call creates an instance.
/// Dropping it closes the database.
#[derive(Default)]
pub(super) struct InstanceSlot {
    pub instance: Option<Instance>,
    pub idle: Option<HostState>,
}

impl InstanceSlot {
    /// The instance, which is created if there is none.
    pub fn instance(
        &mut self,
        template: &InstanceTemplate,
        until: Option<Instant>,
    ) -> Result<&mut Instance, CallError> {
        let empty = match &mut self.instance {
            Some(instance) => return Ok(instance),
            empty => empty,
        };
        let state = self.idle.take().unwrap_or_else(|| HostState::new(&template.spec));
        let instance = template.start(state, until).map_err(|failed| {
            self.idle = Some(failed.state);
            failed.error
        })?;
        Ok(empty.insert(instance))
    }

    /// Drops an instance whose database was removed or replaced; returns whether it did.
    pub fn drop_replaced(&mut self) -> bool {
        self.retire_if(Instance::close_replaced_database)
    }

    /// The same, also if the database's file was emptied. This check takes longer.
    pub fn drop_replaced_or_emptied(&mut self) -> bool {
        self.drop_replaced() || self.retire_if(Instance::close_emptied_database)
    }

    fn retire_if(&mut self, has_closed: fn(&mut Instance) -> bool) -> bool {
        let has_closed = self.instance.as_mut().is_some_and(has_closed);
        if has_closed {
            self.retire();
        }
        has_closed
    }

    /// Drops the instance, and keeps the state that the next one can use.
    pub fn retire(&mut self) {
        if let Some(instance) = self.instance.take() {
            self.idle = Some(instance.into_state());
        }
    }
}
