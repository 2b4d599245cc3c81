//! The simulation finds what is planted, and finds nothing where nothing is.
//!
//! Empty without `--cfg madsim`: `cargo xtask test` builds it with.
#![cfg(madsim)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod determinism;
mod planted;
mod scenarios;
