//! Good histories, each anomaly once, and an independent check that tries every order.

mod brute_force;
mod examples;
mod generated;

use crate::history::{
    ClientId, ListOp, Moment, OpId, Outcome, TransactionHistory, TransactionRecord,
};

/// A transaction that ran from `invoked` to `returned`.
fn transaction(
    (invoked, returned): (u64, u64),
    operations: impl Into<Vec<ListOp>>,
    outcome: Outcome<()>,
) -> TransactionRecord {
    let moment = |order| Moment { order, at_us: order };
    TransactionRecord {
        id: OpId(0),
        client: ClientId(1),
        operations: operations.into(),
        invoked: moment(invoked),
        returned: Some(moment(returned)),
        outcome,
    }
}

/// A history of these transactions, sorted and numbered.
fn history(transactions: impl IntoIterator<Item = TransactionRecord>) -> TransactionHistory {
    let mut transactions: Vec<_> = transactions.into_iter().collect();
    transactions.sort_by_key(|transaction| transaction.invoked);
    for (index, transaction) in transactions.iter_mut().enumerate() {
        transaction.id = OpId(index as u64);
    }
    TransactionHistory { transactions }
}
