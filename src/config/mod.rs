//! The configuration of a process: one TOML file, `FRAZIL__SECTION__KEY` over it.
