//! Sets as many attributes on an image as possible, of any size.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::stopped;

#[derive(Default)]
struct Labels;

impl image_cache_guest_hostile::Hostile for Labels {
    const EXPORT: &'static str = "select-victims";

    fn misbehave() -> Result<(), Error> {
        let Some(file) = files::list_cached()?.next(1)?.pop() else { return Ok(()) };
        let id = &file.image_id;
        let large = attributes::set(id, "large", &vec![0; 5000]);
        stopped("an attribute of 5,000 bytes", large, &[Error::TooLarge]);
        let mut taken = 0;
        for n in 0..10_000 {
            match attributes::set(id, &format!("n{n}"), &[0; 100]) {
                Ok(()) => taken += 1,
                // ext4 has room for less.
                Err(Error::TooLarge | Error::Full) => {}
                Err(error) => return Err(error),
            }
        }
        assert!(taken <= 32, "not stopped: {taken} attributes");
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Labels);
