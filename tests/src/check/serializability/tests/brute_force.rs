//! Tries every order of a tiny history. Shares nothing with the checker that it is compared with.

use std::collections::BTreeMap;

use crate::check::serializability::RealTime;
use crate::history::{ListOp, Outcome, TransactionRecord};

type State = BTreeMap<String, Vec<u64>>;

/// Whether some order of the transactions, from empty lists on, explains every read. Unknown ones
/// may be left out.
pub(super) fn is_serializable(transactions: &[TransactionRecord], real_time: RealTime) -> bool {
    let possible: Vec<_> =
        transactions.iter().filter(|record| !record.outcome.is_failed()).collect();
    explain(&possible, &State::new(), real_time)
}

fn explain(left: &[&TransactionRecord], state: &State, real_time: RealTime) -> bool {
    if left.iter().all(|record| record.outcome.is_unknown()) {
        return true;
    }
    (0..left.len()).any(|first| {
        let mut rest = left.to_vec();
        let record = rest.remove(first);
        let early = real_time == RealTime::Counts && rest.iter().any(|r| ended_before(r, record));
        let after = run(record, state.clone());
        !early && after.is_some_and(|state| explain(&rest, &state, real_time))
    })
}

fn ended_before(one: &TransactionRecord, two: &TransactionRecord) -> bool {
    let returned = one.returned.filter(|_| one.outcome == Outcome::Ok(()));
    returned.is_some_and(|returned| returned.order < two.invoked.order)
}

/// The state after a transaction, when its reads are right.
pub(super) fn run(record: &TransactionRecord, mut state: State) -> Option<State> {
    for operation in &record.operations {
        match operation {
            ListOp::Append { key, element } => state.entry(key.clone()).or_default().push(*element),
            ListOp::Read { elements: None, .. } => (),
            ListOp::Read { key, elements: Some(elements) } => {
                let held = state.get(key).map_or(&[][..], Vec::as_slice);
                if held != elements {
                    return None;
                }
            }
        }
    }
    Some(state)
}
