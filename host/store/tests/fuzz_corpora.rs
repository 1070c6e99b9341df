//! Runs all inputs of the fuzzer's corpora for the model and the store as an ordinary test.

#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/src/store_targets/mod.rs"]
mod store_targets;

use store_targets::{config_ini, config_toml, digest_file, image_ids};

const TARGETS: [corpus::Target; 4] = [
    ("config_ini", config_ini::check),
    ("config_toml", config_toml::check),
    ("digest_file", digest_file::check),
    ("image_ids", image_ids::check),
];

#[test]
fn every_input_of_the_corpora_passes() -> std::io::Result<()> {
    corpus::feed(&TARGETS)
}
