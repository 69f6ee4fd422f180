//! Files of `sql/` and what psql says about models: see `properties/model.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: frazil_fuzz::prepare(&frazil_fuzz::properties::model::TARGET),
    |data: &[u8]| frazil_fuzz::properties::model::check(data)
);
