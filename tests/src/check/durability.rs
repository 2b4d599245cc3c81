//! Invariant: an acknowledged write is there at the end, unless a later one replaced it.
//!
//! Source: the durability of Haerder and Reuter, "Principles of Transaction-Oriented Database
//! Recovery" (1983). It follows from linearizability with a last read; this looks at the end only,
//! so it judges histories of any size in one pass and says plainly what was lost.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::history::{History, Operation, Outcome, RegisterOp, RegisterResult};

/// Whether the values found at the end, when no operation runs any more, are ones that the history
/// can have left. A key that is not among `found` was absent; so is every key at first.
///
/// # Errors
/// The violation names the key, what was found and what could have been there.
pub fn check_durable(
    history: &History,
    found: &BTreeMap<String, Option<u64>>,
) -> Result<(), Violation> {
    let mut by_key: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        by_key.entry(&operation.key).or_default().push(operation);
    }
    let keys: BTreeSet<&str> =
        by_key.keys().copied().chain(found.keys().map(String::as_str)).collect();
    keys.into_iter().try_for_each(|key| {
        let operations = by_key.get(key).map_or(&[][..], Vec::as_slice);
        check_key(key, operations, found.get(key).copied().flatten())
    })
}

fn check_key(key: &str, operations: &[&Operation], found: Option<u64>) -> Result<(), Violation> {
    let acknowledged = operations.iter().filter(|operation| operation.outcome.ok().is_some());
    let writes = acknowledged.filter(|operation| written(operation).is_some());
    // Whatever returned before this was surely replaced.
    let last_invoked = writes.map(|operation| operation.invoked).max();
    let replaced = |operation: &Operation| {
        let acknowledged = operation.outcome.ok().and(operation.returned);
        last_invoked.is_some_and(|last| acknowledged.is_some_and(|at| at.order < last.order))
    };
    let candidates = operations.iter().filter(|operation| !replaced(operation));
    let mut possible: BTreeSet<_> = candidates.filter_map(|operation| written(operation)).collect();
    if last_invoked.is_none() {
        possible.insert(None);
    }
    match possible.contains(&found) {
        true => Ok(()),
        false => Err(violation(key, operations, found, &possible)),
    }
}

/// What an operation writes if it takes effect; `None` when it surely writes nothing.
fn written(operation: &Operation) -> Option<Option<u64>> {
    let effective = match operation.outcome {
        Outcome::Failed | Outcome::Ok(RegisterResult::Swapped(false)) => false,
        Outcome::Ok(_) | Outcome::Unknown => true,
    };
    match operation.op {
        RegisterOp::Write(value) | RegisterOp::Cas { new: value, .. } if effective => {
            Some(Some(value))
        }
        RegisterOp::Delete if effective => Some(None),
        _ => None,
    }
}

fn violation(
    key: &str,
    operations: &[&Operation],
    found: Option<u64>,
    possible: &BTreeSet<Option<u64>>,
) -> Violation {
    let name = |value: Option<u64>| value.map_or("absent".to_owned(), |value| value.to_string());
    let possible: Vec<_> = possible.iter().map(|value| name(*value)).collect();
    let mut detail =
        format!("key {key:?} is {} at the end, can only be {}", name(found), possible.join(" or "));
    let acknowledged = operations.iter().filter(|operation| operation.outcome.ok().is_some());
    let last = acknowledged.filter(|operation| written(operation).is_some());
    if let Some(last) = last.max_by_key(|operation| operation.invoked) {
        detail.push_str(&format!("; the last acknowledged write: {last}"));
    }
    let wrote = |operation: &&&Operation| written(operation) == Some(found);
    if let Some(writer) = operations.iter().rev().find(wrote) {
        detail.push_str(&format!("; what is there was left by: {writer}"));
    }
    Violation::new("acknowledged writes are durable", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{ClientId, Recorder};

    const KEY: &str = "k";

    fn invoke(recorder: &Recorder, op: RegisterOp) -> impl FnOnce(Outcome<RegisterResult>) {
        let (id, recorder) = (recorder.invoke(ClientId(1), KEY, op), recorder.clone());
        move |outcome| recorder.complete(id, outcome)
    }

    fn write(recorder: &Recorder, value: u64) {
        invoke(recorder, RegisterOp::Write(value))(Outcome::Ok(RegisterResult::Done));
    }

    fn check(recorder: &Recorder, found: Option<u64>) -> Result<(), Violation> {
        check_durable(&recorder.history(), &BTreeMap::from([(KEY.to_owned(), found)]))
    }

    #[test]
    fn the_last_acknowledged_write_stays() {
        let recorder = Recorder::new();
        write(&recorder, 1);
        write(&recorder, 2);
        check(&recorder, Some(2)).unwrap();
        let stale = check(&recorder, Some(1)).unwrap_err();
        assert!(stale.detail.contains("left by:"), "{stale}");
        check(&recorder, None).unwrap_err();
        check(&recorder, Some(3)).unwrap_err();
        check_durable(&recorder.history(), &BTreeMap::new()).unwrap_err();
    }

    #[test]
    fn of_writes_that_overlap_either_may_stay() {
        let recorder = Recorder::new();
        let first = invoke(&recorder, RegisterOp::Write(1));
        let second = invoke(&recorder, RegisterOp::Write(2));
        second(Outcome::Ok(RegisterResult::Done));
        first(Outcome::Ok(RegisterResult::Done));
        check(&recorder, Some(1)).unwrap();
        check(&recorder, Some(2)).unwrap();
        check(&recorder, None).unwrap_err();
    }

    #[test]
    fn an_unknown_write_may_come_last_or_never() {
        let recorder = Recorder::new();
        invoke(&recorder, RegisterOp::Write(1))(Outcome::Unknown);
        check(&recorder, None).unwrap();
        write(&recorder, 2);
        check(&recorder, Some(1)).unwrap();
        check(&recorder, Some(2)).unwrap();
        check(&recorder, None).unwrap_err();
    }

    #[test]
    fn what_failed_or_did_not_match_leaves_nothing() {
        let recorder = Recorder::new();
        write(&recorder, 1);
        invoke(&recorder, RegisterOp::Write(2))(Outcome::Failed);
        let cas = RegisterOp::Cas { expected: Some(9), new: 3 };
        invoke(&recorder, cas)(Outcome::Ok(RegisterResult::Swapped(false)));
        check(&recorder, Some(1)).unwrap();
        check(&recorder, Some(2)).unwrap_err();
        check(&recorder, Some(3)).unwrap_err();
        let cas = RegisterOp::Cas { expected: Some(1), new: 4 };
        invoke(&recorder, cas)(Outcome::Ok(RegisterResult::Swapped(true)));
        check(&recorder, Some(4)).unwrap();
        invoke(&recorder, RegisterOp::Delete)(Outcome::Ok(RegisterResult::Done));
        check(&recorder, None).unwrap();
        check(&recorder, Some(4)).unwrap_err();
    }

    #[test]
    fn a_key_that_nobody_wrote_is_absent() {
        check(&Recorder::new(), None).unwrap();
        check(&Recorder::new(), Some(1)).unwrap_err();
    }
}
