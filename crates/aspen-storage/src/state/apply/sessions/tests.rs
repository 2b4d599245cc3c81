#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{Command, Key, Operation, SESSION_IDLE_MS_MIN, Transaction, Value};

use super::*;
use crate::state::apply::tests::{key, propose, put};
use crate::state::{MemoryTables, Sessions, Tables};

fn client(number: u64) -> ClientId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    ClientId::new(bytes)
}

fn stamp(sequence: u64, settled_below: u64) -> Option<SessionStamp> {
    Some(SessionStamp { client: client(1), sequence, settled_below })
}

fn open(tables: &mut MemoryTables, time_ms: u64, number: u64) -> Reply {
    propose(tables, time_ms, None, Command::OpenSession { client: client(number) })
}

fn opened() -> MemoryTables {
    let mut tables = MemoryTables::new();
    assert_eq!(open(&mut tables, 0, 1), Reply::SessionOpen);
    tables
}

fn command(success: Vec<Operation>) -> Command {
    Command::Transaction(Transaction { success, ..Transaction::default() })
}

fn write(tables: &mut MemoryTables, stamp: Option<SessionStamp>) -> Reply {
    propose(tables, 0, stamp, command(vec![put("a")]))
}

#[test]
fn a_retry_gets_the_first_result_and_changes_nothing() {
    let mut tables = opened();
    let first = write(&mut tables, stamp(7, 0));
    write(&mut tables, stamp(8, 0));
    assert_eq!(write(&mut tables, stamp(7, 0)), first);
    assert_eq!(tables.group().revision.get(), 2);
}

#[test]
fn a_rejection_is_remembered_too() {
    let mut tables = opened();
    let expected = Revision::ZERO;
    let read = aspen_core::ReadConflict::Key { key: key("a"), expected };
    let transaction = Transaction {
        read_conflicts: vec![read],
        success: vec![put("b")],
        ..Transaction::default()
    };
    write(&mut tables, stamp(0, 0));
    let first = propose(&mut tables, 0, stamp(1, 0), Command::Transaction(transaction.clone()));
    assert!(matches!(first, Reply::Rejected(Rejection::Conflict(_))));
    // Now the conflict is gone, but the client may have been told of it.
    propose(&mut tables, 0, None, command(vec![Operation::Delete { key: key("a") }]));
    let retry = propose(&mut tables, 0, stamp(1, 0), Command::Transaction(transaction));
    assert_eq!(retry, first);
}

#[test]
fn the_window_moves_with_what_is_settled_and_never_back() {
    let mut tables = opened();
    let outside = |sequence, floor| {
        let end = floor + SESSION_WINDOW_MAX;
        Reply::Rejected(Rejection::OutsideWindow { sequence, floor, end })
    };
    let end = SESSION_WINDOW_MAX;
    assert_eq!(write(&mut tables, stamp(end, 0)), outside(end, 0));
    assert!(matches!(write(&mut tables, stamp(end - 1, 0)), Reply::Transaction(_)));
    assert!(matches!(write(&mut tables, stamp(end, 5)), Reply::Transaction(_)));
    assert_eq!(write(&mut tables, stamp(4, 0)), outside(4, 5));
    assert_eq!(write(&mut tables, stamp(u64::MAX, u64::MAX)), outside_at_the_end());
    let session = &tables.group().sessions[&client(1)];
    assert_eq!((session.results.len(), session.results_bytes), (0, 0));
}

fn outside_at_the_end() -> Reply {
    let (sequence, floor, end) = (u64::MAX, u64::MAX, u64::MAX);
    Reply::Rejected(Rejection::OutsideWindow { sequence, floor, end })
}

#[test]
fn a_result_too_large_to_keep_still_tells_that_it_happened() {
    let mut tables = opened();
    let value = Value::new(vec![1; KEPT_REPLY_BYTES_MAX as usize]).unwrap();
    let large =
        || command(vec![Operation::put(key("a"), value.clone()), Operation::Get { key: key("a") }]);
    let first = propose(&mut tables, 0, stamp(0, 0), large());
    assert!(matches!(first, Reply::Transaction(_)));
    let revision = tables.group().revision;
    let retry = propose(&mut tables, 0, stamp(0, 0), large());
    assert_eq!(retry, Reply::Rejected(Rejection::ResultDropped { revision }));
    assert_eq!(tables.group().revision, revision);
}

#[test]
fn a_session_keeps_a_bounded_number_of_bytes() {
    let mut tables = opened();
    let value = Value::new(vec![1; 3_000]).unwrap();
    propose(&mut tables, 0, None, command(vec![Operation::put(key("a"), value)]));
    let get = || command(vec![Operation::Get { key: key("a") }]);
    for sequence in 0..SESSION_WINDOW_MAX {
        propose(&mut tables, 0, stamp(sequence, 0), get());
    }
    let bytes = tables.group().sessions[&client(1)].results_bytes;
    let small = SMALL_REPLY_BYTES * SESSION_WINDOW_MAX;
    assert!(bytes <= KEPT_SESSION_BYTES_MAX + small, "{bytes}");
    let last = propose(&mut tables, 0, stamp(SESSION_WINDOW_MAX - 1, 0), get());
    assert!(matches!(last, Reply::Rejected(Rejection::ResultDropped { .. })), "{last:?}");
    propose(&mut tables, 0, stamp(SESSION_WINDOW_MAX, SESSION_WINDOW_MAX), get());
    assert!(tables.group().sessions[&client(1)].results_bytes < KEPT_REPLY_BYTES_MAX);
}

/// "The write happened" would be a lie to the retry of a write that was rejected.
#[test]
fn a_large_rejection_stays_a_rejection() {
    let wide = KeyRange::half_open("a", vec![b'z'; 2 * KEPT_REPLY_BYTES_MAX as usize]);
    let (expected, actual) = (Revision::ZERO, Revision::new(1));
    let conflict = |name: Key| {
        let range = Some(wide.clone());
        Reply::Rejected(Conflict { key: name, range, expected, actual }.into())
    };
    let short = kept_form(&conflict(key("a")), KEPT_SESSION_BYTES_MAX, actual);
    let range = Some(KeyRange::single(&key("a")));
    let expect = Conflict { key: key("a"), range, expected, actual };
    assert_eq!(short, Reply::Rejected(expect.into()));
    let long = Key::new(vec![b'a'; aspen_core::KEY_BYTES_MAX]).unwrap();
    let dropped = kept_form(&conflict(long), SMALL_REPLY_BYTES, actual);
    assert!(matches!(dropped, Reply::Rejected(Rejection::Invalid(_))));
}

#[test]
fn sessions_expire_by_the_groups_clock() {
    let mut tables = opened();
    open(&mut tables, SESSION_TTL_MS - 1, 2);
    assert!(tables.group().sessions.contains_key(&client(1)));
    open(&mut tables, SESSION_TTL_MS, 2);
    assert!(!tables.group().sessions.contains_key(&client(1)));
    let expired = Reply::Rejected(Rejection::SessionExpired);
    assert_eq!(write(&mut tables, stamp(0, 0)), expired);
    // The clock never runs backwards.
    open(&mut tables, 1, 2);
    assert_eq!(tables.group().clock_ms, SESSION_TTL_MS);
}

#[test]
fn a_used_session_stays() {
    let mut tables = opened();
    propose(&mut tables, SESSION_TTL_MS - 1, stamp(0, 0), command(vec![put("a")]));
    open(&mut tables, SESSION_TTL_MS + SWEEP_PERIOD_MS, 2);
    assert!(tables.group().sessions.contains_key(&client(1)));
}

#[test]
fn opening_one_too_many_drops_expired_sessions_or_fails() {
    let mut tables = MemoryTables::new();
    for number in 0..SESSION_COUNT_MAX as u64 {
        open(&mut tables, 5, number);
    }
    let limit = SESSION_COUNT_MAX as u64;
    let full = Reply::Rejected(Rejection::TooManySessions { limit });
    assert_eq!(open(&mut tables, 5, limit), full);
    assert_eq!(open(&mut tables, 5, 3), Reply::SessionOpen, "it is open already");
    assert_eq!(open(&mut tables, 5 + SESSION_TTL_MS, limit), Reply::SessionOpen);
    assert_eq!(tables.group().sessions.len(), 1);
}

#[test]
fn the_session_idle_the_longest_makes_room_for_a_new_one() {
    let mut tables = MemoryTables::new();
    open(&mut tables, 1, 3);
    for number in (0..SESSION_COUNT_MAX as u64).filter(|number| *number != 3) {
        open(&mut tables, 5, number);
    }
    let first_new = SESSION_COUNT_MAX as u64;
    let full = Reply::Rejected(Rejection::TooManySessions { limit: first_new });
    assert_eq!(open(&mut tables, SESSION_IDLE_MS_MIN, first_new), full);
    assert_eq!(open(&mut tables, 1 + SESSION_IDLE_MS_MIN, first_new), Reply::SessionOpen);
    assert!(!tables.group().sessions.contains_key(&client(3)));
    assert_eq!(open(&mut tables, 0, first_new + 1), full, "all others were used later");
    // A session in use is spared, and of equals the lowest id goes first.
    open(&mut tables, 4 + SESSION_IDLE_MS_MIN, 0);
    assert!(ran(&write(&mut tables, stamp(0, 0))));
    assert_eq!(open(&mut tables, 5 + SESSION_IDLE_MS_MIN, first_new + 1), Reply::SessionOpen);
    let gone: Vec<_> = (0..6).filter(|it| !is_open(&tables, *it)).collect();
    assert_eq!(gone, [2, 3]);
    let stamp = SessionStamp { client: client(2), sequence: 0, settled_below: 0 };
    let expired = Reply::Rejected(Rejection::SessionExpired);
    assert_eq!(write(&mut tables, Some(stamp)), expired);
    assert_eq!(tables.group().sessions.len(), SESSION_COUNT_MAX);
}

fn ran(reply: &Reply) -> bool {
    matches!(reply, Reply::Transaction(_))
}

fn is_open(tables: &MemoryTables, number: u64) -> bool {
    tables.group().sessions.contains_key(&client(number))
}

/// Opens sessions, used at `used_ms`, that together keep as many results as are allowed.
fn fill_results(tables: &mut MemoryTables, used_ms: u64) {
    let sessions = &mut tables.group_mut().sessions;
    for number in 0..SESSION_RESULTS_MAX as u64 {
        let owner = client(1 + number / SESSION_WINDOW_MAX);
        let sequence = number % SESSION_WINDOW_MAX;
        if sequence == 0 {
            sessions.open(owner, used_ms);
        }
        sessions.keep(owner, sequence, Reply::SessionOpen);
    }
    assert_eq!(sessions.results(), SESSION_RESULTS_MAX);
}

#[test]
fn a_write_whose_result_cannot_be_kept_is_not_applied() {
    let mut tables = MemoryTables::new();
    fill_results(&mut tables, 0);
    let newcomer = 1 << 40;
    open(&mut tables, 0, newcomer);
    let stamped =
        |sequence| Some(SessionStamp { client: client(newcomer), sequence, settled_below: 0 });
    let limit = SESSION_RESULTS_MAX as u64;
    let refused = Reply::Rejected(Rejection::TooManyResults { limit });
    assert_eq!(write(&mut tables, stamped(0)), refused);
    assert_eq!(tables.group().revision, Revision::ZERO);
    assert_eq!(write(&mut tables, stamp(7, 0)), Reply::SessionOpen, "retries are answered");
    // A client that settles writes makes room, for itself and for others.
    assert!(ran(&write(&mut tables, stamp(SESSION_WINDOW_MAX, 2))));
    let first = write(&mut tables, stamped(0));
    assert!(ran(&first));
    assert_eq!(write(&mut tables, stamped(0)), first);
    assert_eq!(write(&mut tables, stamped(1)), refused);
    assert_eq!(tables.group().revision, Revision::new(2));
    // So does one that has gone away.
    let late = SESSION_IDLE_MS_MIN;
    let reply = propose(&mut tables, late, stamped(1), command(vec![put("a")]));
    assert!(ran(&reply));
    assert!(!is_open(&tables, 1), "equally idle, the lowest id");
    assert!(is_open(&tables, 2) && is_open(&tables, newcomer));
    let sessions = &tables.group().sessions;
    assert!(sessions.results() < SESSION_RESULTS_MAX);
}

/// A stored reply of a read that returned so many bytes.
fn large_reply(bytes: usize) -> Reply {
    Reply::Rejected(Rejection::Invalid("x".repeat(bytes)))
}

#[test]
fn large_results_are_dropped_when_the_groups_bytes_are_used_up() {
    let mut tables = opened();
    let each = KEPT_SESSION_BYTES_MAX as usize;
    let idle = 2..2 + KEPT_GROUP_BYTES_MAX / KEPT_SESSION_BYTES_MAX;
    for number in idle {
        let sessions = &mut tables.group_mut().sessions;
        sessions.open(client(number), 0);
        sessions.keep(client(number), 0, large_reply(each));
    }
    let value = Value::new(vec![1; 1000]).unwrap();
    let large =
        || command(vec![Operation::put(key("a"), value.clone()), Operation::Get { key: key("a") }]);
    propose(&mut tables, 0, stamp(0, 0), large());
    let dropped = Reply::Rejected(Rejection::ResultDropped { revision: Revision::new(1) });
    assert_eq!(propose(&mut tables, 0, stamp(0, 0), large()), dropped);
    let small = write(&mut tables, stamp(1, 0));
    assert_eq!(write(&mut tables, stamp(1, 0)), small, "small results are kept all the same");
    let late = SESSION_IDLE_MS_MIN;
    let kept = propose(&mut tables, late, stamp(2, 0), large());
    assert_eq!(propose(&mut tables, late, stamp(2, 0), large()), kept);
    assert!(!is_open(&tables, 2) && is_open(&tables, 1));
    assert!(tables.group().sessions.results_bytes() <= KEPT_GROUP_BYTES_MAX);
}

#[test]
fn a_write_of_some_thousand_keys_keeps_its_result() {
    let mut tables = opened();
    let puts = || command((0..2_500).map(|number| put(&format!("key {number}"))).collect());
    let first = propose(&mut tables, 0, stamp(0, 0), puts());
    assert!(ran(&first));
    assert_eq!(propose(&mut tables, 0, stamp(0, 0), puts()), first);
    assert_eq!(tables.group().revision, Revision::new(1));
}

#[test]
fn totals_follow_every_change_and_are_never_taken_from_disk() {
    let mut tables = MemoryTables::new();
    for number in 0..2_000u64 {
        let time_ms = number * 400;
        let client = client(number * 7 % 13);
        open(&mut tables, time_ms, number * 7 % 13);
        let settled_below = (number / 13).saturating_sub(number % 5);
        let stamp = Some(SessionStamp { client, sequence: number / 13, settled_below });
        propose(&mut tables, time_ms, stamp, command(vec![put("a")]));
        if number % 300 == 0 {
            tables.group_mut().sessions.evict_idle(time_ms + SESSION_IDLE_MS_MIN);
        }
        let mut stored = std::collections::BTreeMap::clone(&tables.group().sessions);
        stored.values_mut().for_each(|session| session.results_bytes += 1_000);
        assert_eq!(Sessions::from(stored), tables.group().sessions);
    }
    let sessions = &tables.group().sessions;
    assert_eq!(sessions.results(), sessions.values().map(|session| session.results.len()).sum());
    assert!(sessions.results() > 13);
}
