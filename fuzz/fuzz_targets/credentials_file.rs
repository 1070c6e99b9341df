#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    image_cache_fuzz::serve::credentials_file(data);
});
