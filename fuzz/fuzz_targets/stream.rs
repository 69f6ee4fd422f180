//! Files of `catalog/`: see `properties/stream.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: frazil_fuzz::prepare(&frazil_fuzz::properties::stream::TARGET),
    |data: &[u8]| frazil_fuzz::properties::stream::check(data)
);
