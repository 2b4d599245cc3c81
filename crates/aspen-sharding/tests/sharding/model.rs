//! Many shards against one store: the same writes leave the same keys, and every read finds them.

use aspen_core::{
    Consistency, KeyRange, KeyValueStore, MemoryStore, Operation, Projection, ReadRequest,
    Revision, ScanOrder, ScanRequest, WriteFailure,
};
use aspen_core::{Key, Value};
use aspen_sharding::ShardRevisions;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::support::{Sharded, batch, page_shown, sharded, shown};

#[derive(Clone, Debug)]
enum Step {
    Put(Key, Value),
    Delete(Key),
    Batch(Vec<(Key, Option<Value>)>),
    /// The page before is read with the same request whatever was written since.
    Scan(ScanRequest),
    Read(Vec<Key>),
    /// A scan of what was read first.
    Past(ScanRequest),
}

/// Keys of few partitions, with and without something after them.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0), Just(1), Just(b'a'), Just(b'b'), Just(255)];
    vec(byte, 1..4)
}

fn key() -> impl Strategy<Value = Key> {
    bytes().prop_map(|bytes| Key::new(bytes).unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    (any::<u8>(), 0..40_usize).prop_map(|(byte, len)| Value::new(vec![byte; len]).unwrap())
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        3 => Just(KeyRange::all()),
        2 => (bytes(), option::of(bytes()))
            .prop_map(|(start, end)| KeyRange { start: start.into(), end: end.map(Into::into) }),
        1 => bytes().prop_map(KeyRange::prefix),
    ]
}

fn scan() -> impl Strategy<Value = ScanRequest> {
    let order = prop_oneof![Just(ScanOrder::Forward), Just(ScanOrder::Reverse)];
    let projection = prop_oneof![
        2 => Just(Projection::Full),
        1 => Just(Projection::KeysOnly),
        1 => Just(Projection::CountOnly),
    ];
    (range(), order, 1..12_u32, 1..200_usize, projection).prop_map(
        |(range, order, limit, bytes_max, projection)| ScanRequest {
            order,
            limit,
            bytes_max,
            projection,
            ..ScanRequest::new(range)
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (key(), value()).prop_map(|(key, value)| Step::Put(key, value)),
        1 => key().prop_map(Step::Delete),
        1 => vec((key(), option::of(value())), 1..4).prop_map(Step::Batch),
        2 => scan().prop_map(Step::Scan),
        1 => vec(key(), 0..5).prop_map(Step::Read),
        1 => scan().prop_map(Step::Past),
    ]
}

struct Pair {
    model: MemoryStore,
    subject: Sharded,
    /// A state of both.
    past: (Revision, ShardRevisions),
}

impl Pair {
    async fn run(count: u16, steps: Vec<Step>) {
        let (model, subject) = (MemoryStore::new(), sharded(count));
        let nothing = ReadRequest { keys: Vec::new(), consistency: Consistency::Linearizable };
        let past = (Revision::ZERO, subject.read_shards(nothing.clone()).await.unwrap().revisions);
        let mut pair = Self { model, subject, past };
        let half = steps.len() / 2;
        for (place, step) in steps.into_iter().enumerate() {
            if place == half {
                let revisions = pair.subject.read_shards(nothing.clone()).await.unwrap().revisions;
                pair.past = (pair.model.revision(), revisions);
            }
            pair.step(step).await;
        }
    }

    async fn step(&self, step: Step) {
        match step {
            Step::Put(key, value) => self.write(vec![(key, Some(value))]).await,
            Step::Delete(key) => self.write(vec![(key, None)]).await,
            Step::Batch(changes) => self.write(changes).await,
            Step::Scan(request) => self.pages(request, None).await,
            Step::Past(request) => self.pages(request, Some(&self.past)).await,
            Step::Read(keys) => self.read(keys).await,
        }
    }

    /// A write of several shards is refused, and then the model does not have it either.
    async fn write(&self, changes: Vec<(Key, Option<Value>)>) {
        let place = |key: &Key| self.subject.router().shard_for_key(key.as_bytes());
        let first = place(&changes[0].0);
        let alone = changes.iter().all(|(key, _)| place(key) == first);
        let operations = changes.into_iter().map(|(key, value)| match value {
            Some(value) => Operation::put(key, value),
            None => Operation::Delete { key },
        });
        let command = batch(operations.collect());
        match self.subject.write(command.clone()).await {
            Ok(outcome) => {
                assert!(alone);
                let expected = self.model.write(command).await.unwrap();
                assert_eq!(outcome.results.len(), expected.results.len());
            }
            Err(error) => {
                assert!(!alone && matches!(error.failure, WriteFailure::TooManyShards { .. }));
            }
        }
    }

    async fn read(&self, keys: Vec<Key>) {
        let request = ReadRequest { keys, consistency: Consistency::Linearizable };
        let expected = self.model.read(request.clone()).await.unwrap();
        let actual = self.subject.read(request).await.unwrap();
        let shown = |values: Vec<Option<aspen_core::KeyValue>>| {
            values.iter().map(|found| found.as_ref().map(shown)).collect::<Vec<_>>()
        };
        assert_eq!(shown(actual.values), shown(expected.values));
    }

    /// Every page of a scan, with a write between any two.
    async fn pages(&self, request: ScanRequest, at: Option<&(Revision, ShardRevisions)>) {
        let (mut theirs, mut ours) = (request.clone(), request);
        if let Some((revision, _)) = at {
            theirs.consistency = Consistency::AtRevision(*revision);
        }
        loop {
            let expected = self.model.scan(theirs.clone()).await.unwrap();
            let actual = match at {
                Some((_, revisions)) => self.subject.scan_at(ours.clone(), revisions).await,
                None => self.subject.scan_shards(ours.clone()).await,
            };
            let actual = actual.unwrap().page;
            assert_eq!(page_shown(&actual), page_shown(&expected), "{ours:?}");
            if expected.cursor.is_none() {
                return;
            }
            self.disturb(&expected.entries[0].key).await;
            (theirs.cursor, ours.cursor) = (expected.cursor, actual.cursor);
        }
    }

    async fn disturb(&self, key: &Key) {
        self.write(vec![(key.clone(), None)]).await;
        let next = Key::new([key.as_bytes(), b"c"].concat()).unwrap();
        self.write(vec![(next, Some(Value::default()))]).await;
    }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn shards_are_one_store_to_their_users(
        count in prop_oneof![Just(1_u16), Just(2), Just(7), Just(64)],
        steps in vec(step(), 1..60),
    ) {
        block_on(Pair::run(count, steps));
    }
}
