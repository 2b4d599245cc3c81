//! Random writes below a prefix, in the model's revisions, and their translation for the store.

use aspen_core::{
    Compare, CompareOperator, CompareTarget, Key, KeyRange, Operation, ReadConflict, Revision,
    Transaction, Value, WriteCommand,
};

use super::super::SeededRandom;
use super::mirror::Mirror;

/// Names of keys: few, and at the edges of each other's ranges and prefixes.
const NAMES: [&[u8]; 12] = [
    b"a",
    b"a\0",
    b"a\0\0",
    b"a\x01",
    b"a\xff",
    b"aa",
    b"ab",
    b"b",
    b"b\xff\xff",
    b"c",
    b"\xff",
    b"\xff\xff\xff",
];

/// The length of the few long values, in bytes: above what a page of a scan may be asked to hold.
const LONG_VALUE_BYTES: usize = 600;

impl Mirror {
    pub(super) fn random_key(&self, random: &SeededRandom) -> Key {
        self.key(random.pick(&NAMES).copied().unwrap_or_default())
    }

    /// A range below the prefix; it may be empty, inverted, one key or everything.
    pub(super) fn random_range(&self, random: &SeededRandom) -> KeyRange {
        let (one, other) = (self.random_key(random), self.random_key(random));
        match random.below(6) {
            0 => self.range(),
            1 => KeyRange::single(&one),
            2 => KeyRange::prefix(one.into_bytes()),
            3 => KeyRange { start: one.into_bytes(), ..self.range() },
            _ => KeyRange::half_open(one.into_bytes(), other.into_bytes()),
        }
    }

    /// A revision of the model: of the last change, or any before it.
    fn random_revision(&self, random: &SeededRandom) -> Revision {
        let last = self.model().revision();
        match random.one_in(2) {
            true => last,
            false => Revision::new(random.below(last.get() + 1)),
        }
    }

    /// A key with its `mod_revision`, mostly the one it has.
    fn random_read(&self, random: &SeededRandom) -> (Key, Revision) {
        let key = self.random_key(random);
        let revision = match random.one_in(5) {
            true => self.random_revision(random),
            false => self.current(&key).map_or(Revision::ZERO, |entry| entry.mod_revision),
        };
        (key, revision)
    }

    fn random_compare(&self, random: &SeededRandom) -> Compare {
        let key = self.random_key(random);
        let current = self.current(&key);
        let created = current.as_ref().map_or(Revision::ZERO, |entry| entry.create_revision);
        let value = current.as_ref().map(|entry| entry.value.clone()).unwrap_or_default();
        let target = match random.below(6) {
            0 => CompareTarget::Version(current.map_or(0, |entry| entry.version)),
            1 => CompareTarget::CreateRevision(created),
            2 => CompareTarget::ModRevision(current.map_or(created, |entry| entry.mod_revision)),
            3 => CompareTarget::ModRevision(self.random_revision(random)),
            4 => CompareTarget::Lease(None),
            _ => CompareTarget::Value(value),
        };
        let operator = match random.below(8) {
            0 => CompareOperator::NotEqual,
            1 => CompareOperator::Less,
            2 => CompareOperator::Greater,
            _ => CompareOperator::Equal,
        };
        Compare { key, target, operator }
    }

    fn random_operation(&self, random: &SeededRandom) -> Operation {
        let key = self.random_key(random);
        match random.below(12) {
            0..=6 => Operation::put(key, random_value(random)),
            7..=8 => Operation::Delete { key },
            9 => Operation::DeleteRange { range: self.random_range(random) },
            10 => Operation::Get { key },
            _ => {
                let limit = u32::try_from(random.below(6)).unwrap_or(0);
                Operation::Scan { range: self.random_range(random), limit }
            }
        }
    }

    fn random_operations(&self, random: &SeededRandom) -> Vec<Operation> {
        some(random, 5, || self.random_operation(random))
    }

    /// A random write of any shape. Its revisions are the model's.
    pub(super) fn random_command(&self, random: &SeededRandom) -> WriteCommand {
        let (key, value) = (self.random_key(random), random_value(random));
        let expected = self.current(&key).map(|entry| entry.value);
        match random.below(13) {
            0 => WriteCommand::Set { key, value },
            1 => {
                let pair = || (self.random_key(random), random_value(random));
                WriteCommand::SetMulti { pairs: some(random, 4, pair) }
            }
            2 => WriteCommand::Delete { key },
            3 => WriteCommand::DeleteMulti { keys: some(random, 4, || self.random_key(random)) },
            4 => WriteCommand::DeleteRange { range: self.random_range(random) },
            5 => WriteCommand::CompareAndSwap { key, expected, value },
            6 => WriteCommand::CompareAndDelete { key, expected: expected.unwrap_or(value) },
            7..=8 => WriteCommand::Batch { operations: self.random_operations(random) },
            9 => WriteCommand::ConditionalBatch {
                conditions: some(random, 3, || self.random_compare(random)),
                operations: self.random_operations(random),
            },
            10 => WriteCommand::OptimisticTransaction {
                reads: some(random, 3, || self.random_read(random)),
                range_reads: some(random, 2, || {
                    (self.random_range(random), self.random_revision(random))
                }),
                operations: self.random_operations(random),
            },
            _ => WriteCommand::Transaction(self.random_transaction(random)),
        }
    }

    fn random_transaction(&self, random: &SeededRandom) -> Transaction {
        let read_conflicts = some(random, 2, || match random.one_in(3) {
            true => {
                let (range, read_revision) =
                    (self.random_range(random), self.random_revision(random));
                ReadConflict::Range { range, read_revision }
            }
            false => {
                let (key, expected) = self.random_read(random);
                ReadConflict::Key { key, expected }
            }
        });
        Transaction {
            compares: some(random, 3, || self.random_compare(random)),
            read_conflicts,
            success: self.random_operations(random),
            failure: self.random_operations(random),
        }
    }

    /// The command with the store's revisions in place of the model's.
    pub(super) fn translated(&self, command: &WriteCommand) -> WriteCommand {
        let mut command = command.clone();
        match &mut command {
            WriteCommand::ConditionalBatch { conditions, .. } => self.translate(conditions),
            WriteCommand::OptimisticTransaction { reads, range_reads, .. } => {
                let of_keys = reads.iter_mut().map(|(_, revision)| revision);
                let of_ranges = range_reads.iter_mut().map(|(_, revision)| revision);
                of_keys.chain(of_ranges).for_each(|it| *it = self.store_revision(*it));
            }
            WriteCommand::Transaction(transaction) => {
                self.translate(&mut transaction.compares);
                for conflict in &mut transaction.read_conflicts {
                    let (ReadConflict::Key { expected: revision, .. }
                    | ReadConflict::Range { read_revision: revision, .. }) = conflict;
                    *revision = self.store_revision(*revision);
                }
            }
            _ => {}
        }
        command
    }

    fn translate(&self, compares: &mut [Compare]) {
        for compare in compares {
            if let CompareTarget::CreateRevision(revision) | CompareTarget::ModRevision(revision) =
                &mut compare.target
            {
                *revision = self.store_revision(*revision);
            }
        }
    }
}

/// Up to `max` random things.
fn some<T>(random: &SeededRandom, max: u64, mut make: impl FnMut() -> T) -> Vec<T> {
    (0..random.below(max + 1)).map(|_| make()).collect()
}

fn random_value(random: &SeededRandom) -> Value {
    let mut bytes = random.next_u64().to_string().into_bytes();
    match random.below(10) {
        0 => bytes.clear(),
        1 => bytes.resize(LONG_VALUE_BYTES, b'.'),
        _ => {}
    }
    Value::new(bytes).expect("random values are short")
}
