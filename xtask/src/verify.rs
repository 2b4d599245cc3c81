//! `cargo xtask verify`: every check that needs no test run. It never writes a source file.

use crate::check::{CLIPPY, DOCS, FORMAT, TIDY, run_all};
use crate::failure::Outcome;

/// Runs the checks in the order in which they are cheap.
pub(crate) fn run() -> Outcome {
    run_all(&[FORMAT, TIDY, CLIPPY, DOCS])
}
