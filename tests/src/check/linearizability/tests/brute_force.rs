//! Tries every order of a tiny history. Shares nothing with the checker that it is compared with.

use crate::history::{Operation, Outcome, RegisterOp, RegisterResult};

/// Whether some order of the operations, in which each key starts absent, explains every answer.
pub(super) fn is_linearizable(operations: &[Operation]) -> bool {
    let possible: Vec<_> =
        operations.iter().filter(|o| !matches!(o.outcome, Outcome::Failed)).collect();
    explain(&possible, None)
}

fn explain(left: &[&Operation], value: Option<u64>) -> bool {
    // What is unknown need not happen.
    if left.iter().all(|operation| matches!(operation.outcome, Outcome::Unknown)) {
        return true;
    }
    (0..left.len()).any(|first| {
        let mut rest = left.to_vec();
        let operation = rest.remove(first);
        let next = answer(operation.op, value);
        let told = match operation.outcome {
            Outcome::Ok(told) => told == next.0,
            _ => true,
        };
        told && !rest.iter().any(|other| ended_before(other, operation)) && explain(&rest, next.1)
    })
}

fn ended_before(one: &Operation, two: &Operation) -> bool {
    matches!(one.outcome, Outcome::Ok(_))
        && one.returned.is_some_and(|returned| returned.order < two.invoked.order)
}

/// What a register answers, and what it holds afterwards.
pub(super) fn answer(op: RegisterOp, value: Option<u64>) -> (RegisterResult, Option<u64>) {
    match op {
        RegisterOp::Read => (RegisterResult::Value(value), value),
        RegisterOp::Write(new) => (RegisterResult::Done, Some(new)),
        RegisterOp::Delete => (RegisterResult::Done, None),
        RegisterOp::Cas { expected, new } if expected == value => {
            (RegisterResult::Swapped(true), Some(new))
        }
        RegisterOp::Cas { .. } => (RegisterResult::Swapped(false), value),
    }
}
