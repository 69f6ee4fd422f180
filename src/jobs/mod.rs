//! Curated tables: when a model runs, and how its result is published.

#[cfg(test)]
mod shipped_models_tests;
