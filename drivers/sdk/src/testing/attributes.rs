//! The attributes of the cached images.

use super::state::{Image, with};
use crate::types::Error;

/// Whether there are attributes: yes.
pub fn is_supported() -> bool {
    true
}

/// The value of an attribute.
pub fn get(image_id: &str, name: &str) -> Result<Option<Vec<u8>>, Error> {
    of_image(image_id, |image| Ok(image.attributes.get(name).cloned()))
}

/// Writes an attribute.
pub fn set(image_id: &str, name: &str, value: &[u8]) -> Result<(), Error> {
    of_image(image_id, |image| {
        image.attributes.insert(name.into(), value.into());
        Ok(())
    })
}

/// Removes an attribute.
pub fn remove(image_id: &str, name: &str) -> Result<(), Error> {
    of_image(image_id, |image| {
        image.attributes.remove(name);
        Ok(())
    })
}

/// Adds to a decimal number, which is 0 if it is missing, and returns the sum.
pub fn add(image_id: &str, name: &str, delta: i64) -> Result<i64, Error> {
    of_image(image_id, |image| {
        let value = image.attributes.get(name).map(|value| String::from_utf8_lossy(value));
        let number: i64 = value.map_or(Ok(0), |value| value.parse()).unwrap_or(0);
        let sum = number.saturating_add(delta);
        image.attributes.insert(name.into(), sum.to_string().into_bytes());
        Ok(sum)
    })
}

fn of_image<T>(
    image_id: &str,
    work: impl FnOnce(&mut Image) -> Result<T, Error>,
) -> Result<T, Error> {
    with(|state| state.images.get_mut(image_id).map_or(Err(Error::NotFound), work))
}
