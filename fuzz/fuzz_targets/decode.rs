//! Records of every contract into rows or dead letters: see `properties/decode.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: frazil_fuzz::prepare(&frazil_fuzz::properties::decode::TARGET),
    |data: &[u8]| frazil_fuzz::properties::decode::check(data)
);
