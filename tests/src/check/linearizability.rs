//! Invariant: every key is a linearizable register. Each operation appears to take effect at one
//! instant between its invocation and its return, and reads see the last write before that instant.
//!
//! Source: Herlihy and Wing, "Linearizability: A Correctness Condition for Concurrent Objects"
//! (TOPLAS 1990). It is a local property, so each key is searched by itself; Horn and Kroening,
//! "Faster linearizability checking via P-compositionality" (2015), show what that gains. The
//! search is Wing and Gong's (1993) in Lowe's just-in-time form with memoisation (2017).
//!
//! An operation of unknown outcome may take effect at any time after its invocation, or never: it
//! never returns. One that failed did not happen. Deciding linearizability is NP-complete (Gibbons
//! and Korach, 1997), so the search has a budget and says [`Verdict::Undecided`] when it is spent.

mod bits;
mod evidence;
mod frontier;
mod register;
mod search;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::Violation;
use crate::history::{History, Operation};
use register::{entries, simplified};
use search::{Stop, search};

/// The name that violations carry.
pub const LINEARIZABILITY: &str = "linearizability";

/// Steps that the check of one key may take. A step is below a microsecond in an optimised build;
/// histories of a correct store take a few for each operation.
pub const LINEARIZABILITY_STEPS_MAX: u64 = 20_000_000;

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order that explains every answer.
    Linearizable,
    /// There is none.
    Violated(Violation),
    /// The budget was spent on this key before either was known.
    Undecided {
        /// The key.
        key: String,
    },
}

/// Whether every key of the history is a linearizable register that starts absent. A check that
/// cannot be decided within [`LINEARIZABILITY_STEPS_MAX`] steps fails too, and says so: what was
/// not checked must not look checked.
///
/// # Errors
/// The violation names the key and shows the operations that contradict each other.
pub fn check_linearizable(history: &History) -> Result<(), Violation> {
    match judge(history, LINEARIZABILITY_STEPS_MAX) {
        Verdict::Linearizable => Ok(()),
        Verdict::Violated(violation) => Err(violation),
        Verdict::Undecided { key } => Err(Violation::new(
            "linearizability undecided",
            format!("key {key:?}: not decided in {LINEARIZABILITY_STEPS_MAX} steps"),
        )),
    }
}

/// Checks a history in at most `steps_max` steps for each key. A violation of any key goes before
/// one that could not be decided.
pub fn judge(history: &History, steps_max: u64) -> Verdict {
    let mut by_key: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        by_key.entry(&operation.key).or_default().push(operation);
    }
    let mut verdict = Verdict::Linearizable;
    for (key, operations) in by_key {
        match judge_key(key, &operations, steps_max) {
            Verdict::Linearizable => (),
            violated @ Verdict::Violated(_) => return violated,
            undecided @ Verdict::Undecided { .. } => verdict = undecided,
        }
    }
    verdict
}

fn judge_key(key: &str, operations: &[&Operation], mut steps: u64) -> Verdict {
    let entries = match entries(operations) {
        Ok(entries) => simplified(entries),
        Err(violation) => return Verdict::Violated(violation),
    };
    match search(&entries, &mut steps) {
        Ok(()) => Verdict::Linearizable,
        Err(Stop::OutOfSteps) => Verdict::Undecided { key: key.to_owned() },
        Err(Stop::NotLinearizable { entry, values }) => {
            let detail = evidence::describe(key, &entries, entry, &values);
            Verdict::Violated(Violation::new(LINEARIZABILITY, detail))
        }
    }
}
