//! A configuration of oslo.config: references in values terminate and are limited, and a file without references is read as a
//! simple parser reads it.

use image_cache_model::ConfigLayers;

/// Maximum size of a value after references are resolved, plus the text after the last reference.
const MAX_VALUE: usize = (16 << 10) + (64 << 10);

/// The input is the file's bytes.
pub fn check(data: &[u8]) {
    let data = &data[..data.len().min(64 << 10)];
    let file = tempfile::Builder::new().suffix(".conf").tempfile().expect("a file");
    std::fs::write(file.path(), data).expect("it is writable");
    match ConfigLayers::new().file(file.path()).build() {
        Ok(config) => {
            assert!(
                config.dir.as_os_str().len() <= MAX_VALUE,
                "{} bytes",
                config.dir.as_os_str().len()
            );
            assert!(config.driver.len() <= MAX_VALUE, "{} bytes", config.driver.len());
            let dir = std::str::from_utf8(data).ok().and_then(dir_of_plain_text);
            if let Some(dir) = dir {
                assert_eq!(config.dir.to_str(), Some(dir));
            }
        }
        Err(error) => super::explains_itself(&error),
    }
}

/// The directory, if every line is empty, `[DEFAULT]` or `key = value` in plain characters; the last one counts.
fn dir_of_plain_text(text: &str) -> Option<&str> {
    let is_plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_/".contains(&byte))
    };
    let (mut dir, mut is_default) = (None, false);
    for line in text.lines().filter(|line| !line.is_empty()) {
        if line == "[DEFAULT]" {
            is_default = true;
            continue;
        }
        let (key, value) = line.split_once(" = ")?;
        if !is_default || !is_plain(key) || !is_plain(value) {
            return None;
        }
        if key == "image_cache_dir" {
            dir = Some(value);
        }
    }
    dir
}
