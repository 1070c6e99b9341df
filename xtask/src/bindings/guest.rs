//! The SDK's bindings: a module for each world, so that a driver exports only what it names.

use super::generated::{FindWorld, Generated};
use anyhow::{Context, Result};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

/// The types that all worlds share.
const TYPES: (&str, &str) =
    ("image-cache:driver/types@1.1.0", "crate::bindings::image_cache::driver::types");
const REQUESTS: (&str, &str) = (
    "image-cache:driver/requests@1.1.0",
    "crate::admission_bindings::image_cache::driver::requests",
);

/// A module of the SDK.
struct Module {
    world: &'static str,
    name: &'static str,
    export_macro: &'static str,
    /// The modules that have its types.
    with: &'static [(&'static str, &'static str)],
}

const MODULES: [Module; 4] = [
    Module {
        world: "image-cache-driver",
        name: "bindings",
        export_macro: "export_component",
        with: &[],
    },
    Module {
        world: "admission-policy",
        name: "admission_bindings",
        export_macro: "export_admission_component",
        with: &[TYPES],
    },
    Module {
        world: "event-listener",
        name: "event_bindings",
        export_macro: "export_events_component",
        with: &[TYPES, REQUESTS],
    },
    Module {
        world: "timer-listener",
        name: "timer_bindings",
        export_macro: "export_timer_component",
        with: &[TYPES],
    },
];

pub fn bindings(world: FindWorld<'_>) -> Result<Vec<Generated>> {
    let mut all = Vec::new();
    for module in MODULES {
        let (mut resolve, id) = world(module.world)?;
        let mut files = Files::default();
        module.options().build().generate(&mut resolve, id, &mut files)?;
        let (_, code) = files.iter().next().context("wit-bindgen generated no file")?;
        all.push(Generated {
            path: format!("drivers/sdk/src/bindings/{}.rs", module.world.replace('-', "_")),
            code: String::from_utf8(code.to_vec())?,
        });
    }
    Ok(all)
}

impl Module {
    fn options(&self) -> Opts {
        let path = |path: &str| WithOption::Path(path.to_owned());
        let with = self.with.iter().map(|(interface, module)| ((*interface).into(), path(module)));
        Opts {
            pub_export_macro: true,
            export_macro_name: Some(self.export_macro.into()),
            default_bindings_module: Some(format!("image_cache_driver_sdk::{}", self.name)),
            additional_derive_attributes: vec!["PartialEq".into()],
            with: with.collect(),
            ..Opts::default()
        }
    }
}
