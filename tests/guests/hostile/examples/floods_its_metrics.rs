//! Creates series without end, with huge and forged names.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Counts;

impl image_cache_guest_hostile::Hostile for Counts {
    fn misbehave() -> Result<(), Error> {
        for n in 0..20_000 {
            let label = |name: &str| (name.to_owned(), format!("{n}"));
            metrics::add_to_counter("images", &[label("image")], u64::MAX);
            metrics::set_gauge(&format!("of_{n}"), &[], f64::NAN);
        }
        metrics::add_to_counter("a\"} 1\nforged 2", &[], 1);
        metrics::add_to_counter(&"n".repeat(100_000), &[], 1);
        metrics::add_to_counter("n", &[("driver".into(), "sqlite".into())], 1);
        metrics::set_gauge("images_total", &[], 1.0);
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Counts);
