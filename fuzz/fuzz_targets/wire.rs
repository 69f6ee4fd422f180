//! What a client sends before and after it is known: see `properties/wire.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: frazil_fuzz::prepare(&frazil_fuzz::properties::wire::TARGET),
    |data: &[u8]| frazil_fuzz::properties::wire::check(data)
);
