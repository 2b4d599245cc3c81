//! Invariant: transactions over many keys are strictly serializable: some order of all of them, one
//! after another and in keeping with real time, explains every read.
//!
//! Source: Adya, "Weak Consistency: A Generalized Theory and Optimistic Implementations for
//! Distributed Transactions" (MIT, 1999): a history is serializable when its dependency graph has
//! no cycle, and the kind of cycle names the anomaly. Kingsbury and Alvaro, "Elle" (VLDB 2020),
//! show how lists to which transactions append make the dependencies visible. The anomalies:
//! * *G1a*, aborted read; *G1b*, intermediate read; reads of a transaction that contradict its own
//!   steps; elements that nobody appended or that are there twice; lists that disagree.
//! * *G0*: a cycle of writes; *G1c*: of writes and reads; *G-single*: with one read that missed a
//!   write (lost update, read skew); *G2*: with several (write skew).
//!
//! A cycle that needs an edge of real time is the same anomaly "in real time": each order that
//! explains the reads contradicts what came first. For lists the graph is complete: without a cycle
//! any order that agrees with it explains the history.

mod cycle;
mod graph;
mod lists;

#[cfg(test)]
mod tests;

use super::Violation;
use crate::history::TransactionHistory;
use graph::Graph;
use lists::Lists;

/// Whether an order must agree with real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealTime {
    /// It must: strict serializability.
    Counts,
    /// It need not: serializability, for stores that may serve old snapshots.
    Ignored,
}

/// Whether the transactions are strictly serializable.
///
/// # Errors
/// The violation names the anomaly and shows the transactions of a shortest such cycle.
pub fn check_strictly_serializable(history: &TransactionHistory) -> Result<(), Violation> {
    check_serializable(history, RealTime::Counts)
}

/// Whether the transactions are serializable.
///
/// # Errors
/// The violation names the anomaly and shows the transactions of a shortest such cycle.
pub fn check_serializable(
    history: &TransactionHistory,
    real_time: RealTime,
) -> Result<(), Violation> {
    let lists = Lists::of(history)?;
    let graph = Graph::of(history, &lists, real_time);
    match cycle::find(&graph) {
        Some(cycle) => Err(cycle.violation(history)),
        None => Ok(()),
    }
}
