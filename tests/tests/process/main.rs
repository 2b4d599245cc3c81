//! Real processes over real QUIC on loopback.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes on real time")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod import_export;
mod kill_nodes;
