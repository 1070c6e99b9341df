#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let place = tempfile::tempdir().expect("a directory");
    image_cache_engine::fuzzing::sql_calls(place.path(), data);
});
