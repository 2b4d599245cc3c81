//! Good histories, bad ones, and mutations compared with an independent check of every order.

mod examples;
mod generated;

use std::collections::BTreeMap;

use aspen_core::Revision;

use crate::history::{
    ClientId, Freshness, Moment, OpId, Outcome, RangeRead, RevisionHistory, RevisionOutcome,
    RevisionTransaction, Seen,
};

/// A transaction of `client` from `invoked` to `returned`, answered with `revision`.
fn transaction(
    client: u64,
    (invoked, returned): (u64, u64),
    revision: u64,
    writes: &[(&str, Option<u64>)],
    reads: Vec<RangeRead>,
) -> RevisionTransaction {
    let moment = |order| Moment { order, at_us: order };
    let revision = Revision::new(revision);
    RevisionTransaction {
        id: OpId(0),
        client: ClientId(client),
        freshness: Freshness::Linearizable,
        writes: writes.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect(),
        invoked: moment(invoked),
        returned: Some(moment(returned)),
        outcome: Outcome::Ok(RevisionOutcome { revision, reads }),
    }
}

/// A history of these transactions, sorted and numbered.
fn history(transactions: impl IntoIterator<Item = RevisionTransaction>) -> RevisionHistory {
    let mut transactions: Vec<_> = transactions.into_iter().collect();
    transactions.sort_by_key(|transaction| transaction.invoked);
    for (index, transaction) in transactions.iter_mut().enumerate() {
        transaction.id = OpId(index as u64);
    }
    RevisionHistory { transactions }
}

fn point(key: &str, found: Option<(u64, u64)>) -> RangeRead {
    RangeRead::point(key, found.map(|(revision, value)| (Revision::new(revision), value)))
}

fn range(start: &str, end: &str, found: &[(&str, u64, u64)]) -> RangeRead {
    let seen = |(key, revision, value): &(&str, u64, u64)| Seen {
        key: (*key).to_owned(),
        mod_revision: Revision::new(*revision),
        value: *value,
    };
    RangeRead { start: start.into(), end: end.into(), found: found.iter().map(seen).collect() }
}
