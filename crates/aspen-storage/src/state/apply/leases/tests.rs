#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{
    Command, KeyRange, LEASE_TTL_MS_MAX, LEASE_TTL_MS_MIN, OperationResult, ReadConflict, Revision,
    Transaction, TransactionOutcome, Value,
};

use super::*;
use crate::state::MemoryTables;
use crate::state::apply::tests::{key, propose, put};

const LEASE: LeaseId = LeaseId::new(7);

fn run(tables: &mut MemoryTables, command: Command) -> Reply {
    let reply = propose(tables, 0, None, command);
    assert_eq!(tables.check_integrity(), Vec::<String>::new());
    reply
}

fn write(tables: &mut MemoryTables, success: Vec<Operation>) -> Reply {
    run(tables, Command::Transaction(Transaction { success, ..Transaction::default() }))
}

fn outcome(reply: Reply) -> TransactionOutcome {
    match reply {
        Reply::Transaction(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

fn attach(name: &str) -> Operation {
    Operation::Put { key: key(name), value: Value::default(), lease: Some(LEASE) }
}

fn with_ttl(name: &str) -> Operation {
    Operation::PutTtl { key: key(name), value: Value::default(), ttl_ms: 5_000 }
}

fn granted() -> MemoryTables {
    let mut tables = MemoryTables::new();
    let command = Command::GrantLease { lease: LEASE, ttl_ms: 5_000 };
    assert_eq!(run(&mut tables, command), Reply::LeaseGranted { lease: LEASE, ttl_ms: 5_000 });
    tables
}

fn ids(tables: &MemoryTables) -> Vec<LeaseId> {
    tables.group().leases.keys().copied().collect()
}

#[test]
fn a_grant_out_of_bounds_is_refused() {
    let mut tables = granted();
    let mut refused = |lease: u64, ttl_ms| {
        let command = Command::GrantLease { lease: LeaseId::new(lease), ttl_ms };
        match run(&mut tables, command) {
            Reply::Rejected(rejection) => rejection,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(7, 5_000), Rejection::LeaseExists { lease: LEASE });
    for (lease, ttl_ms) in
        [(0, 5_000), (1 << 63, 5_000), (8, LEASE_TTL_MS_MIN - 1), (8, LEASE_TTL_MS_MAX + 1)]
    {
        assert!(matches!(refused(lease, ttl_ms), Rejection::Invalid(_)));
    }
}

#[test]
fn all_keys_of_a_lease_go_at_one_revision_that_range_reads_see() {
    let mut tables = granted();
    write(&mut tables, vec![attach("a"), attach("b"), put("c")]);
    write(&mut tables, vec![put("b"), attach("d")]);
    let reply = run(&mut tables, Command::RevokeLease { lease: LEASE });
    assert_eq!(reply, Reply::LeaseRevoked { revision: Revision::new(3), keys: 2 });
    for gone in ["a", "d"] {
        let version = tables.latest(&key(gone)).unwrap().unwrap();
        assert_eq!((version.mod_revision, version.live), (Revision::new(3), None));
    }
    let read = ReadConflict::Range { range: KeyRange::all(), read_revision: Revision::new(2) };
    let transaction = Transaction { read_conflicts: vec![read], ..Transaction::default() };
    let reply = run(&mut tables, Command::Transaction(transaction));
    assert!(matches!(reply, Reply::Rejected(Rejection::Conflict(_))), "{reply:?}");
    let again = run(&mut tables, Command::RevokeLease { lease: LEASE });
    assert_eq!(again, Reply::Rejected(Rejection::NoSuchLease { lease: LEASE }));
}

#[test]
fn a_put_with_a_lease_that_is_not_in_force_rejects_the_transaction() {
    let mut tables = MemoryTables::new();
    let reply = write(&mut tables, vec![put("a"), attach("b")]);
    assert_eq!(reply, Reply::Rejected(Rejection::NoSuchLease { lease: LEASE }));
    assert_eq!(tables.latest(&key("a")).unwrap(), None);
    let command = Command::Transaction(Transaction {
        success: vec![put("a")],
        failure: vec![attach("b")],
        ..Transaction::default()
    });
    assert!(outcome(run(&mut tables, command)).succeeded, "that branch does not run");
}

#[test]
fn a_private_lease_ends_with_the_next_change_of_its_key() {
    for change in [put("a"), Operation::Delete { key: key("a") }, attach("a"), with_ttl("a")] {
        let mut tables = granted();
        outcome(write(&mut tables, vec![put("z"), with_ttl("a")]));
        let private = LeaseId::private(Revision::new(1), 1);
        assert_eq!(ids(&tables), [LEASE, private]);
        outcome(write(&mut tables, vec![change]));
        assert!(!ids(&tables).contains(&private));
    }
}

#[test]
fn only_the_last_put_of_a_key_in_a_transaction_leaves_a_lease() {
    let mut tables = granted();
    let ttl_then_attached = vec![with_ttl("a"), with_ttl("a"), attach("a"), with_ttl("b")];
    let outcome = outcome(write(&mut tables, ttl_then_attached));
    let created = Revision::new(1);
    assert_eq!(outcome.results[3], OperationResult::Put { version: 1, create_revision: created });
    assert_eq!(ids(&tables), [LEASE, LeaseId::private(created, 3)]);
    assert_eq!(tables.leased(LEASE, 9).unwrap(), [key("a")]);
    write(&mut tables, vec![with_ttl("c"), Operation::Delete { key: key("c") }]);
    assert_eq!(ids(&tables).len(), 2, "a key that leaves no trace leaves no lease");
    let all = Operation::DeleteRange { range: KeyRange::all() };
    write(&mut tables, vec![all]);
    assert_eq!(ids(&tables), [LEASE]);
    assert_eq!(tables.group().leases[&LEASE].keys, 0);
}

#[test]
fn a_lease_has_a_bounded_number_of_keys() {
    let mut tables = granted();
    let keys: Vec<String> = (0..LEASE_KEYS_MAX).map(|number| format!("{number:06}")).collect();
    for names in keys.chunks(5_000) {
        let puts = names.iter().map(|name| attach(name)).collect();
        let command = Command::Transaction(Transaction { success: puts, ..Default::default() });
        assert!(matches!(propose(&mut tables, 0, None, command), Reply::Transaction(_)));
    }
    let limit = LEASE_KEYS_MAX as u64;
    let one_more = write(&mut tables, vec![attach("z")]);
    assert_eq!(one_more, Reply::Rejected(Rejection::TooManyLeaseKeys { lease: LEASE, limit }));
    let in_place = vec![Operation::Delete { key: key("000000") }, attach("z")];
    assert!(matches!(write(&mut tables, in_place), Reply::Transaction(_)));
    let ended = run(&mut tables, Command::RevokeLease { lease: LEASE });
    assert!(matches!(ended, Reply::LeaseRevoked { keys, .. } if keys == limit), "{ended:?}");
}

#[test]
fn one_command_ends_as_many_leases_as_may_end_in_one_go() {
    let mut tables = MemoryTables::new();
    let leases = [1, 2, 3].map(LeaseId::new);
    for lease in leases {
        propose(&mut tables, 0, None, Command::GrantLease { lease, ttl_ms: 1_000 });
    }
    for number in 0..3 * LEASE_KEYS_MAX / 5_000 {
        let lease = Some(leases[number % 3]);
        let name = |place| key(&format!("{number:06}-{place:06}"));
        let put = |place| Operation::Put { key: name(place), value: Value::default(), lease };
        let success = (0..5_000).map(put).collect();
        let command = Command::Transaction(Transaction { success, ..Default::default() });
        assert!(matches!(propose(&mut tables, 0, None, command), Reply::Transaction(_)));
    }
    let expiring = |number: usize| {
        let (lease, grant) = (leases[number], number as u64);
        ExpiringLease { lease, grant }
    };
    let expire = || Command::ExpireLeases { leases: (0..3).map(expiring).collect() };
    let keys = LEASE_KEYS_MAX as u64;
    let first = run(&mut tables, expire());
    let revision = tables.group().revision;
    assert_eq!(first, Reply::LeasesExpired { revision, leases: 2, keys: 2 * keys });
    let second = run(&mut tables, expire());
    assert_eq!(second, Reply::LeasesExpired { revision: revision.next(), leases: 1, keys });
}

#[test]
fn an_expiry_of_an_earlier_grant_ends_nothing() {
    let mut tables = granted();
    let stale = ExpiringLease { lease: LEASE, grant: 0 };
    run(&mut tables, Command::RevokeLease { lease: LEASE });
    run(&mut tables, Command::GrantLease { lease: LEASE, ttl_ms: 9_000 });
    let reply = run(&mut tables, Command::ExpireLeases { leases: vec![stale] });
    let nothing = Reply::LeasesExpired { revision: Revision::ZERO, leases: 0, keys: 0 };
    assert_eq!((reply, ids(&tables)), (nothing, vec![LEASE]));
}
