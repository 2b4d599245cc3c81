//! The checker against good histories, bad ones, and an independent one that tries every order.

mod brute_force;
mod examples;
mod generated;
mod large;

use crate::history::{
    ClientId, History, Moment, OpId, Operation, Outcome, RegisterOp, RegisterResult,
};

/// An operation on key "k" by client `client`, from `invoked` to `returned`.
fn operation(
    client: u64,
    (invoked, returned): (u64, u64),
    op: RegisterOp,
    outcome: Outcome<RegisterResult>,
) -> Operation {
    let moment = |order| Moment { order, at_us: 1_000 * order };
    Operation {
        id: OpId(0),
        client: ClientId(client),
        key: "k".into(),
        op,
        invoked: moment(invoked),
        returned: Some(moment(returned)),
        outcome,
    }
}

fn read(client: u64, interval: (u64, u64), value: impl Into<Option<u64>>) -> Operation {
    let result = RegisterResult::Value(value.into());
    operation(client, interval, RegisterOp::Read, Outcome::Ok(result))
}

fn write(client: u64, interval: (u64, u64), value: u64) -> Operation {
    operation(client, interval, RegisterOp::Write(value), Outcome::Ok(RegisterResult::Done))
}

fn delete(client: u64, interval: (u64, u64)) -> Operation {
    operation(client, interval, RegisterOp::Delete, Outcome::Ok(RegisterResult::Done))
}

fn cas(
    client: u64,
    interval: (u64, u64),
    expected: impl Into<Option<u64>>,
    new: u64,
    swapped: bool,
) -> Operation {
    let op = RegisterOp::Cas { expected: expected.into(), new };
    operation(client, interval, op, Outcome::Ok(RegisterResult::Swapped(swapped)))
}

fn unknown(operation: Operation) -> Operation {
    Operation { outcome: Outcome::Unknown, ..operation }
}

fn failed(operation: Operation) -> Operation {
    Operation { outcome: Outcome::Failed, ..operation }
}

/// A history of these operations, sorted and numbered.
fn history(operations: impl IntoIterator<Item = Operation>) -> History {
    let mut operations: Vec<_> = operations.into_iter().collect();
    operations.sort_by_key(|operation| operation.invoked.order);
    for (index, operation) in operations.iter_mut().enumerate() {
        operation.id = OpId(index as u64);
    }
    History { operations }
}
