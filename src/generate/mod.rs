//! The demo's events: realistic, seeded, the same bytes for the same seed.
