//! Never returns from an interface that a driver may export; the option `in` names it.

use image_cache_driver_sdk::prelude::*;
use std::hint::black_box;

struct Loops {
    records: SqlRecords,
    export: String,
}

impl SqlDriver for Loops {
    fn describe() -> Description {
        Description { name: "hostile".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let export = options.take("in").unwrap_or_else(|| "notify".into());
        options.finish()?;
        Ok(Loops { records: SqlRecords::open()?, export })
    }

    fn records(&mut self) -> &mut SqlRecords {
        &mut self.records
    }
}

impl Loops {
    fn misbehave(&self, export: &str) {
        if self.export != export {
            return;
        }
        loop {
            black_box(());
        }
    }
}

impl AdmissionPolicy for Loops {
    fn admit(&mut self, _: AdmissionRequest) -> Result<Decision, Error> {
        self.misbehave("admit");
        Ok(Decision::Admit)
    }
}

impl EventListener for Loops {
    fn notify(&mut self, _: Vec<Event>) -> Result<(), Error> {
        self.misbehave("notify");
        Ok(())
    }
}

impl Timer for Loops {
    fn tick(&mut self, _: u64) -> Result<(), Error> {
        self.misbehave("tick");
        Ok(())
    }
}

export_driver!(Loops, admission, events, timer);
