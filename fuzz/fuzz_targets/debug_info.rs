#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    image_cache_fuzz::driver::debug_info(data);
});
