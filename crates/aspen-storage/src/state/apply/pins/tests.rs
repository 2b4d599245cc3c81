#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{Command, ExpiringLease, Key, Operation, ReadConflict, Transaction};

use super::*;
use crate::state::MemoryTables;
use crate::state::apply::tests::{key, propose, put};

const LEASE: LeaseId = LeaseId::new(7);
const OTHER: LeaseId = LeaseId::new(8);

fn run(tables: &mut MemoryTables, command: Command) -> Reply {
    let reply = propose(tables, 0, None, command);
    assert_eq!(tables.check_integrity(), Vec::<String>::new());
    reply
}

fn write(tables: &mut MemoryTables, success: Vec<Operation>) {
    run(tables, Command::Transaction(Transaction { success, ..Transaction::default() }));
}

fn pin(tables: &mut MemoryTables, lease: LeaseId, revision: Option<u64>) -> Reply {
    run(tables, Command::PinRevision { lease, revision: revision.map(Revision::new) })
}

fn compact(tables: &mut MemoryTables, horizon: u64) {
    run(tables, Command::Compact { horizon: Revision::new(horizon) });
}

fn pinned(revision: u64) -> Reply {
    Reply::RevisionPinned { revision: Revision::new(revision) }
}

/// `a` is there at revisions 1 to 3 and from 5 on, `b` from 2 on; two leases are granted.
fn tables() -> MemoryTables {
    let mut tables = MemoryTables::new();
    for lease in [LEASE, OTHER] {
        run(&mut tables, Command::GrantLease { lease, ttl_ms: 5_000 });
    }
    write(&mut tables, vec![put("a")]);
    write(&mut tables, vec![put("b")]);
    write(&mut tables, vec![put("a")]);
    write(&mut tables, vec![Operation::Delete { key: key("a") }]);
    write(&mut tables, vec![put("a")]);
    write(&mut tables, vec![put("b")]);
    tables
}

/// The `mod_revision` of `a` and `b` at a revision, 0 for absent; `None` when it is compacted.
fn seen(tables: &MemoryTables, at: u64) -> Option<[u64; 2]> {
    let keys: Vec<Key> = ["a", "b"].map(key).into();
    let values = match tables.read(&keys, Some(Revision::new(at))) {
        Ok(reply) => reply.values,
        Err(StateError::Compacted { .. }) => return None,
        Err(error) => panic!("{error}"),
    };
    let revision = |place: usize| values[place].as_ref().map_or(0, |it| it.mod_revision.get());
    Some([revision(0), revision(1)])
}

#[test]
fn the_horizon_passes_a_pin_and_only_the_pin_is_read() {
    let mut tables = tables();
    assert_eq!(pin(&mut tables, LEASE, Some(1)), pinned(1));
    assert_eq!(pin(&mut tables, LEASE, Some(4)), pinned(4));
    compact(&mut tables, 6);
    let seen: Vec<_> = (0..=6).map(|at| seen(&tables, at)).collect();
    assert_eq!(seen[1], Some([1, 0]));
    assert_eq!(seen[4], Some([0, 2]), "a deletion below the horizon hides what an older pin keeps");
    assert_eq!(seen[6], Some([5, 6]));
    assert_eq!([seen[0], seen[2], seen[3], seen[5]], [None; 4]);
    assert_eq!(tables.versions().map(|(_, versions)| versions.len()).sum::<usize>(), 5);
}

#[test]
fn what_a_pin_held_is_gone_when_the_last_lease_ends() {
    let mut tables = tables();
    pin(&mut tables, LEASE, Some(1));
    pin(&mut tables, OTHER, Some(1));
    compact(&mut tables, 6);
    run(&mut tables, Command::RevokeLease { lease: LEASE });
    assert_eq!(seen(&tables, 1), Some([1, 0]));
    let leases = vec![ExpiringLease { lease: OTHER, grant: 1 }];
    run(&mut tables, Command::ExpireLeases { leases });
    assert_eq!(seen(&tables, 1), None);
    assert_eq!(tables.versions().map(|(_, versions)| versions.len()).sum::<usize>(), 2);
    assert!(tables.group().pins.is_empty());
}

#[test]
fn the_newest_revision_is_pinned_unless_one_is_named() {
    let mut tables = tables();
    assert_eq!(pin(&mut tables, LEASE, None), pinned(6));
    assert_eq!(pin(&mut tables, LEASE, Some(6)), pinned(6), "again");
    assert_eq!(tables.group().pins.len(), 1);
}

#[test]
fn what_cannot_be_pinned_is_refused() {
    let mut tables = tables();
    let refused = |reply| match reply {
        Reply::Rejected(rejection) => rejection,
        other => panic!("{other:?}"),
    };
    let (horizon, current) = (Revision::new(5), Revision::new(6));
    compact(&mut tables, 5);
    assert_eq!(
        refused(pin(&mut tables, LEASE, Some(4))),
        Rejection::Compacted { requested: Revision::new(4), horizon }
    );
    assert_eq!(
        refused(pin(&mut tables, LEASE, Some(7))),
        Rejection::FutureRevision { requested: Revision::new(7), current }
    );
    let lease = LeaseId::new(9);
    assert_eq!(refused(pin(&mut tables, lease, None)), Rejection::NoSuchLease { lease });
    let private = LeaseId::private(current, 0);
    assert!(matches!(refused(pin(&mut tables, private, None)), Rejection::Invalid(_)));
    assert!(tables.group().pins.is_empty());
}

#[test]
fn a_pinned_revision_is_pinned_again_below_the_horizon() {
    let mut tables = tables();
    pin(&mut tables, LEASE, Some(3));
    compact(&mut tables, 6);
    assert_eq!(pin(&mut tables, OTHER, Some(3)), pinned(3));
    run(&mut tables, Command::RevokeLease { lease: LEASE });
    assert_eq!(seen(&tables, 3), Some([3, 2]));
}

#[test]
fn one_pin_too_many_is_refused() {
    let mut tables = tables();
    for _ in 0..PIN_COUNT_MAX {
        write(&mut tables, vec![put("c")]);
        assert!(matches!(pin(&mut tables, LEASE, None), Reply::RevisionPinned { .. }));
    }
    assert!(matches!(pin(&mut tables, LEASE, None), Reply::RevisionPinned { .. }), "again");
    let limit = PIN_COUNT_MAX as u64;
    assert_eq!(pin(&mut tables, OTHER, None), Reply::Rejected(Rejection::TooManyPins { limit }));
    run(&mut tables, Command::RevokeLease { lease: LEASE });
    assert!(matches!(pin(&mut tables, OTHER, None), Reply::RevisionPinned { .. }));
}

/// A pin keeps a state, not what happened after it.
#[test]
fn a_pin_does_not_let_reads_be_checked() {
    let mut tables = tables();
    pin(&mut tables, LEASE, Some(3));
    compact(&mut tables, 6);
    let (range, read_revision) = (aspen_core::KeyRange::all(), Revision::new(3));
    let read_conflicts = vec![ReadConflict::Range { range, read_revision }];
    let transaction = Transaction { read_conflicts, ..Transaction::default() };
    let horizon = Revision::new(6);
    assert_eq!(
        run(&mut tables, Command::Transaction(transaction)),
        Reply::Rejected(Rejection::Compacted { requested: read_revision, horizon })
    );
}
