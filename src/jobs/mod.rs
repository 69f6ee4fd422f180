//! Curated tables: when a model runs, and how its result is published.
