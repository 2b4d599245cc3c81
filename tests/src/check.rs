//! Checkers: each takes what was recorded and says whether the system kept one promise.
//!
//! A checker knows nothing of the system; it judges histories and observations. Each page names the
//! invariant and where it comes from, and each has tests that show it failing: a checker that
//! cannot fail proves nothing.

pub mod exactly_once;
pub mod linearizability;
pub mod revisions;
pub mod serializability;

mod violation;

pub use linearizability::check_linearizable;
pub use violation::Violation;
