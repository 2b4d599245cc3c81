//! A read that finds too much fails by itself, wherever its keys lie.

use aspen_core::{
    Command, Key, LogIndex, Operation, Proposal, ProposalBatch, READ_BYTES_MAX, ReadError,
    Transaction, VALUE_BYTES_MAX, Value, codec,
};
use aspen_storage::{Entry, EntryPayload, Position};
use bytes::Bytes;

use crate::subject::{Memory, Sqlite, Subject};

/// One more than a read may return.
const KEYS: usize = READ_BYTES_MAX / VALUE_BYTES_MAX + 1;

fn key(number: usize) -> Key {
    Key::new(format!("key {number}").into_bytes()).unwrap()
}

fn put(index: u64, number: usize) -> Entry {
    let value = Value::new(vec![number as u8; VALUE_BYTES_MAX]).unwrap();
    let success = vec![Operation::put(key(number), value)];
    let command = Command::Transaction(Transaction { success, ..Transaction::default() });
    let proposals = vec![Proposal { session: None, command }];
    let payload = codec::encode(&ProposalBatch { time_ms: index, proposals }).unwrap();
    let position = Position { index: LogIndex::new(index), marker: Bytes::from_static(b"at") };
    Entry { position, payload: EntryPayload::Batch(payload) }
}

async fn check_reads(subject: &impl Subject) {
    let keys = |count| (0..count).map(key).collect::<Vec<_>>();
    let again = vec![key(0); KEYS];
    let requests = [keys(1), keys(KEYS), keys(KEYS - 2), again, keys(2)];
    let requests = requests.into_iter().map(|keys| (keys, None)).collect();
    let found = subject.machine().read(requests).await;
    let lens: Vec<_> = found.iter().map(|it| it.as_ref().map(|it| it.values.len()).ok()).collect();
    assert_eq!(lens, [Some(1), None, Some(KEYS - 2), None, Some(2)]);
    assert!(found.iter().flatten().all(|reply| reply.values.iter().all(Option::is_some)));
    for error in found.into_iter().filter_map(Result::err).map(ReadError::from) {
        assert!(matches!(error, ReadError::Invalid(_)), "{error:?}");
        assert!(error.to_string().contains("READ_BYTES_MAX"), "{error}");
    }
}

async fn check<S: Subject>() {
    let dir = tempfile::tempdir().unwrap();
    let mut subject = S::create(dir.path());
    for number in 0..KEYS {
        subject.machine().apply(vec![put(number as u64, number)]).await.unwrap();
    }
    check_reads(&subject).await;
    subject.machine().flush().await.unwrap();
    check_reads(&subject).await;
    subject = subject.restart().await;
    check_reads(&subject).await;
    // Some in recent changes, some below them.
    for number in [1, 4] {
        let index = (KEYS + number) as u64;
        subject.machine().apply(vec![put(index, number)]).await.unwrap();
    }
    check_reads(&subject).await;
    subject.machine().close().await.unwrap();
}

#[tokio::test]
async fn memory_reads_end_at_their_byte_limit() {
    check::<Memory>().await;
}

#[tokio::test]
async fn sqlite_reads_end_at_their_byte_limit() {
    check::<Sqlite>().await;
}
