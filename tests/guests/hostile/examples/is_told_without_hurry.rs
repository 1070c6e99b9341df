//! Takes long to be told of removed images, but never too long for one call.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::dawdle;

/// How often it wastes time when it is told.
const TIMES: usize = 40;

struct Slow {
    records: SqlRecords,
}

impl SqlDriver for Slow {
    fn describe() -> Description {
        Description { name: "hostile".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(options: Options) -> Result<Self, ConfigurationError> {
        options.finish()?;
        Ok(Slow { records: SqlRecords::open()? })
    }

    fn records(&mut self) -> &mut SqlRecords {
        &mut self.records
    }
}

impl EventListener for Slow {
    fn notify(&mut self, events: Vec<Event>) -> Result<(), Error> {
        if events.iter().any(|event| matches!(event, Event::Removed(_))) {
            (0..TIMES).for_each(|_| dawdle());
        }
        Ok(())
    }
}

export_driver!(Slow, events);
