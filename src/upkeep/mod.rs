//! Upkeep: expiry, orphan removal, old metadata.
