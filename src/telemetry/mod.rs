//! Logs and the figures that rooms expose.
