//! Composes a process from its configuration and supervises its services.
