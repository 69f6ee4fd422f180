//! The Postgres wire: listener, sessions, encoding.
