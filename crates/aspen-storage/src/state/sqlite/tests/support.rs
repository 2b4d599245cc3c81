//! A state machine beside its model, and random work for both.

use std::path::Path;
use std::sync::Arc;

use aspen_core::{
    AtomicOperation, ClientId, Command, ExpiringLease, GroupId, Key, KeyRange, LeaseId, LogIndex,
    Operation, Projection, Proposal, ProposalBatch, ReadConflict, Reply, Revision, ScanOrder,
    ScanRequest, SessionStamp, ShardId, StampPosition, Transaction, Value, Versionstamp, codec,
};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::state::apply::apply_batch;
use crate::state::sqlite::{HEAD_BYTES_MIN, SqliteStateMachine, StateOptions};
use crate::state::{Entry, EntryPayload, MemoryTables, Position, StateMachine, Tables};

pub(super) const GROUP: GroupId = GroupId::shard(ShardId::new(3));

/// Flushes only when full or told to.
pub(super) fn options() -> StateOptions {
    StateOptions {
        head_bytes_max: HEAD_BYTES_MIN,
        flush_interval_ms: 3_600_000,
        ..StateOptions::default()
    }
}

pub(super) fn open(dir: &Path) -> Arc<SqliteStateMachine> {
    SqliteStateMachine::open(dir, GROUP, options()).unwrap()
}

pub(super) fn key(number: u32) -> Key {
    Key::new(format!("key-{number:05}").into_bytes()).unwrap()
}

pub(super) fn put(number: u32, value: &str) -> Operation {
    Operation::put(key(number), Value::try_from(value).unwrap())
}

pub(super) fn transaction(operations: Vec<Operation>) -> Proposal {
    let transaction = Transaction { success: operations, ..Transaction::default() };
    Proposal { session: None, command: Command::Transaction(transaction) }
}

pub(super) fn compact(horizon: Revision) -> Proposal {
    Proposal { session: None, command: Command::Compact { horizon } }
}

pub(super) fn position(index: u64) -> Position {
    Position { index: LogIndex::new(index), marker: Bytes::from(format!("at {index}")) }
}

pub(super) fn entry(index: u64, proposals: Vec<Proposal>) -> Entry {
    let batch = ProposalBatch { time_ms: 1_000_000 + index, proposals };
    let payload = EntryPayload::Batch(codec::encode(&batch).unwrap());
    Entry { position: position(index), payload }
}

pub(super) fn batch(entry: &Entry) -> Option<ProposalBatch> {
    match &entry.payload {
        EntryPayload::Batch(bytes) => Some(codec::decode(bytes).unwrap()),
        _ => None,
    }
}

/// Random entries, the same for the same seed.
pub(super) struct Work {
    rng: StdRng,
    index: u64,
    sequence: u64,
    keys: u32,
    /// The state's, when the last entry was made.
    revision: Revision,
}

impl Work {
    pub(super) fn new(seed: u64, keys: u32) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            index: 0,
            sequence: 0,
            keys,
            revision: Revision::ZERO,
        }
    }

    pub(super) fn number(&mut self, below: u32) -> u32 {
        self.rng.random_range(0..below)
    }

    pub(super) fn range(&mut self) -> KeyRange {
        let (a, b) = (self.number(self.keys), self.number(self.keys));
        match self.number(8) {
            0 => KeyRange::all(),
            1 => KeyRange::from_key(key(a).into_bytes()),
            2 => KeyRange::half_open(key(b).into_bytes(), key(a).into_bytes()),
            _ => KeyRange::half_open(key(a.min(b)).into_bytes(), key(a.max(b)).into_bytes()),
        }
    }

    fn operation(&mut self) -> Operation {
        let number = self.number(self.keys);
        match self.number(12) {
            0..3 => Operation::Delete { key: key(number) },
            3 if self.number(8) == 0 => {
                let end = key(number + 5).into_bytes();
                Operation::DeleteRange { range: KeyRange::half_open(key(number).into_bytes(), end) }
            }
            6 if self.number(4) == 0 => {
                let value = Value::new(vec![8; 20]).unwrap();
                Operation::PutTtl { key: key(number), value, ttl_ms: 1_000 }
            }
            4 => Operation::Scan { range: self.range(), limit: 20 },
            5 => {
                let value = Value::new(vec![7; 700 + self.number(900) as usize]).unwrap();
                let lease = Some(LeaseId::new(1 + u64::from(number % 3)));
                Operation::Put { key: key(number), value, lease }
            }
            6 => {
                let operand = Value::new(vec![3; 1 + self.index as usize % 3]).unwrap();
                let operation = match number % 3 {
                    0 => AtomicOperation::Add(operand),
                    1 => AtomicOperation::AppendIfFits(operand),
                    _ => AtomicOperation::BitXor(operand),
                };
                Operation::Atomic { key: key(number), operation }
            }
            7 if number.is_multiple_of(4) => {
                let value = Value::new(Versionstamp::PLACEHOLDER.to_vec()).unwrap();
                let position = StampPosition::Value(0);
                Operation::PutVersionstamped { key: key(number), value, position, lease: None }
            }
            _ => put(number, &format!("{}:{}", self.index, number)),
        }
    }

    fn proposal(&mut self, revision: Revision) -> Proposal {
        let client = ClientId::new([self.number(3) as u8; 16]);
        match self.number(44) {
            0 => Proposal { session: None, command: Command::OpenSession { client } },
            1 => {
                let back = u64::from(self.number(120));
                compact(Revision::new(revision.get().saturating_sub(back)))
            }
            40..43 => self.lease_command(),
            43 => Proposal { session: None, command: Command::RevokeLease { lease: self.lease() } },
            roll => {
                let count = 1 + self.number(4);
                let success = (0..count).map(|_| self.operation()).collect();
                let mut transaction = Transaction { success, ..Transaction::default() };
                if roll < 12 {
                    let back = u64::from(self.number(200));
                    let at = Revision::new(revision.get().saturating_sub(back));
                    let range = self.range();
                    transaction.read_conflicts =
                        vec![ReadConflict::Range { range, read_revision: at }];
                }
                self.sequence += 1;
                let stamp = SessionStamp {
                    client,
                    sequence: self.sequence,
                    settled_below: self.sequence.saturating_sub(5),
                };
                let session = (roll % 3 == 0).then_some(stamp);
                Proposal { session, command: Command::Transaction(transaction) }
            }
        }
    }

    fn lease(&mut self) -> LeaseId {
        LeaseId::new(1 + u64::from(self.number(3)))
    }

    fn lease_command(&mut self) -> Proposal {
        let command = match self.number(7) {
            4.. => self.pin_command(),
            0 => {
                let lease = self.lease();
                let grants = (0..200).map(|grant| ExpiringLease { lease, grant });
                Command::ExpireLeases { leases: grants.collect() }
            }
            _ => Command::GrantLease { lease: self.lease(), ttl_ms: 1_000 },
        };
        Proposal { session: None, command }
    }

    fn pin_command(&mut self) -> Command {
        let back = u64::from(self.number(30));
        let revision = self.revision.get().checked_sub(back).map(Revision::new);
        Command::PinRevision { lease: self.lease(), revision }
    }

    pub(super) fn entry(&mut self, revision: Revision) -> Entry {
        self.index += 1;
        self.revision = revision;
        match self.number(20) {
            0 => Entry { position: position(self.index), payload: EntryPayload::Blank },
            1 => Entry {
                position: position(self.index),
                payload: EntryPayload::Membership(Bytes::from(format!("members {}", self.index))),
            },
            _ => {
                let count = 1 + self.number(6);
                let proposals = (0..count).map(|_| self.proposal(revision)).collect();
                entry(self.index, proposals)
            }
        }
    }
}

/// Applies an entry to the model.
pub(super) fn apply_model(model: &mut MemoryTables, entry: &Entry) -> Vec<Reply> {
    batch(entry).map_or(Vec::new(), |batch| apply_batch(model, batch).unwrap())
}

/// Compares what both answer for keys, pages and counts at a revision.
pub(super) async fn compare(
    machine: &SqliteStateMachine,
    model: &MemoryTables,
    work: &mut Work,
    at: Option<Revision>,
) {
    let keys: Vec<Key> = (0..30).map(|_| key(work.number(work.keys))).collect();
    let found = machine.read(vec![(keys.clone(), at)]).await.pop().unwrap();
    same(found, model.read(&keys, at));
    for _ in 0..4 {
        let order = if work.number(2) == 0 { ScanOrder::Forward } else { ScanOrder::Reverse };
        let projection = match work.number(4) {
            0 => Projection::CountOnly,
            1 => Projection::KeysOnly,
            _ => Projection::Full,
        };
        let limit = 1 + work.number(60);
        let bytes_max = 1 + work.number(4_000) as usize;
        let range = work.range();
        let mut request =
            ScanRequest { order, projection, limit, bytes_max, ..ScanRequest::new(range) };
        loop {
            let page = machine.scan(request.clone(), at).await;
            same(page.clone(), model.scan(&request, at));
            request.cursor = page.ok().and_then(|page| page.cursor);
            if request.cursor.is_none() {
                break;
            }
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug, E: std::fmt::Display>(
    found: Result<T, E>,
    expected: Result<T, E>,
) {
    match (found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected),
        (Err(found), Err(expected)) => assert_eq!(found.to_string(), expected.to_string()),
        (found, expected) => panic!(
            "{:?} is not {:?}",
            found.map_err(|error| error.to_string()),
            expected.map_err(|error| error.to_string())
        ),
    }
}

/// A revision that may be read: often the newest, else anything down to below the horizon.
pub(super) fn some_revision(model: &MemoryTables, work: &mut Work) -> Option<Revision> {
    let (horizon, current) = (model.group().horizon.get(), model.group().revision.get());
    let pins = &model.group().pins;
    match work.number(5) {
        0 => None,
        1 | 2 if !pins.is_empty() => {
            let number = work.number(u32::try_from(pins.len()).unwrap()) as usize;
            pins.iter().nth(number).map(|(revision, _)| revision)
        }
        _ => {
            let span = u32::try_from(current - horizon).unwrap() + 3;
            Some(Revision::new((horizon + u64::from(work.number(span))).saturating_sub(1)))
        }
    }
}
