//! Invariant: a group's revisions are one clock, and its transactions happen in that order.
//!
//! * Every transaction that writes has a revision of its own.
//! * The order is that of real time: a revision is greater than every one that anybody was told
//!   before the transaction began, and a linearizable read sees at least that.
//! * A read at revision `r` sees the writes up to `r` and no others, ranges included (no phantoms);
//!   the reads of a transaction that commits at `r` see the state just before `r`.
//!
//! Together they are strict serializability (Herlihy and Wing 1990; Bernstein, Hadzilacos and
//! Goodman, "Concurrency Control and Recovery in Database Systems", 1987) with the order given,
//! which takes one pass instead of a search. Revisions are etcd's: its API guarantees promise the
//! same.

mod clock;
mod snapshots;
mod writers;

#[cfg(test)]
mod tests;

use super::Violation;
use crate::history::RevisionHistory;

/// Whether the transactions of one group happened in the order of their revisions.
///
/// # Errors
/// The violation names the transactions that contradict each other.
pub fn check_revisions(history: &RevisionHistory) -> Result<(), Violation> {
    let writers = writers::Writers::of(history)?;
    clock::check(history, &writers)?;
    snapshots::check(history, &writers)
}
