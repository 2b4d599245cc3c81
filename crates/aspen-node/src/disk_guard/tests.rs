#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use aspen_core::{
    Applied, ClientId, Command, ErrorKind, Key, Operation, Revision, Transaction, Value,
};

use super::{DiskGuard, DiskLevel, DiskLimits, DiskProbe};
#[cfg(not(madsim))]
use super::{FileSystemProbe, percent};

struct Dial(AtomicU8);

impl DiskProbe for Dial {
    fn used_percent(&self) -> std::io::Result<u8> {
        match self.0.load(Ordering::Relaxed) {
            u8::MAX => Err(std::io::Error::other("gone")),
            percent => Ok(percent),
        }
    }
}

fn guard() -> (Arc<Dial>, DiskGuard) {
    let dial = Arc::new(Dial(AtomicU8::new(10)));
    let limits = DiskLimits { warn_percent: 80, refuse_percent: 95 };
    (dial.clone(), DiskGuard::new(dial, limits))
}

fn put() -> Operation {
    Operation::put(Key::try_from("k").unwrap(), Value::try_from("v").unwrap())
}

fn transaction(success: Vec<Operation>, failure: Vec<Operation>) -> Command {
    Command::Transaction(Transaction { success, failure, ..Transaction::default() })
}

#[test]
fn levels_follow_the_probe() {
    let (dial, guard) = guard();
    let expected = [
        (79, DiskLevel::Normal),
        (80, DiskLevel::Warning),
        (95, DiskLevel::Full),
        (3, DiskLevel::Normal),
    ];
    for (percent, level) in expected {
        dial.0.store(percent, Ordering::Relaxed);
        guard.check();
        assert_eq!((guard.used_percent(), guard.level()), (percent, level));
    }
}

#[test]
fn a_failed_probe_changes_nothing() {
    let (dial, guard) = guard();
    dial.0.store(96, Ordering::Relaxed);
    guard.check();
    dial.0.store(u8::MAX, Ordering::Relaxed);
    guard.check();
    assert_eq!(guard.level(), DiskLevel::Full);
}

#[test]
fn a_full_disk_refuses_puts_and_lets_deletes_go_on() {
    let (dial, guard) = guard();
    guard.admit(&transaction(vec![put()], vec![])).unwrap();
    dial.0.store(95, Ordering::Relaxed);
    guard.check();
    for command in [transaction(vec![put()], vec![]), transaction(vec![], vec![put()])] {
        let error = guard.admit(&command).unwrap_err();
        assert_eq!((error.kind(), error.applied), (ErrorKind::Unavailable, Applied::No));
        assert!(error.to_string().contains("95 %"), "{error}");
    }
    let delete = Operation::Delete { key: Key::try_from("k").unwrap() };
    guard.admit(&transaction(vec![delete], vec![])).unwrap();
    guard.admit(&Command::OpenSession { client: ClientId::new([1; 16]) }).unwrap();
    guard.admit(&Command::Compact { horizon: Revision::new(1) }).unwrap();
}

#[cfg(not(madsim))]
#[test]
fn percentages_round_up_and_never_overflow() {
    assert_eq!(percent(0, 0), 0);
    assert_eq!(percent(1, 999), 1);
    assert_eq!(percent(1, 1), 50);
    assert_eq!(percent(u64::MAX, 0), 100);
}

#[cfg(not(madsim))]
#[test]
fn the_file_system_answers() {
    let dir = tempfile::tempdir().unwrap();
    assert!(FileSystemProbe::new(dir.path()).used_percent().unwrap() <= 100);
    assert!(FileSystemProbe::new(&dir.path().join("absent")).used_percent().is_err());
}
