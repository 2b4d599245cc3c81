//! The file of the Raft log, damaged: four bytes say where, the next what is there instead.
#![no_main]

use std::sync::{Arc, LazyLock};

use aspen_core::{GroupId, LogIndex};
use aspen_fuzz::MemoryLogDisk;
use aspen_storage::{LogError, LogOptions, LogRecord, RedbLogStore};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const ENTRIES: u64 = 40;

fn options() -> LogOptions {
    LogOptions { cache_bytes: 1 << 20, ..LogOptions::default() }
}

fn payload(index: u64) -> Bytes {
    Bytes::from(format!("entry {index}"))
}

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let disk = Arc::new(MemoryLogDisk::default());
    aspen_fuzz::block_on(async {
        let Ok(store) = RedbLogStore::open_on(Arc::clone(&disk), options()) else { return };
        let log = store.group(GroupId::META);
        let records = (0..ENTRIES)
            .map(|index| LogRecord { index: LogIndex::new(index), payload: payload(index) });
        assert!(log.append(records.collect()).await.is_ok());
        assert!(log.save_vote(Bytes::from_static(b"vote")).await.is_ok());
        assert!(store.close().await.is_ok());
    });
    disk.bytes()
});

fn damaged(mut patches: &[u8]) -> Vec<u8> {
    let mut bytes = GOOD.clone();
    while let [a, b, c, d, byte, tail @ ..] = patches {
        let at = u32::from_le_bytes([*a, *b, *c, *d]) as usize % bytes.len();
        bytes[at] = *byte;
        patches = tail;
    }
    bytes
}

async fn look(bytes: Vec<u8>) -> Result<(), LogError> {
    let store = RedbLogStore::open_on(Arc::new(MemoryLogDisk::new(bytes)), options())?;
    let log = store.group(GroupId::META);
    let records = log.read(0..u64::MAX, usize::MAX).await?;
    for record in &records {
        assert_eq!(record.payload, payload(record.index.get()), "never other bytes");
    }
    assert!(log.vote().is_none_or(|vote| vote == b"vote".as_slice()), "never another vote");
    store.verify().await?;
    store.close().await
}

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = aspen_fuzz::block_on(look(damaged(bytes))) {
        let told = matches!(
            error,
            LogError::Corrupt(_)
                | LogError::Incompatible(_)
                | LogError::Stopped(_)
                | LogError::Io(_)
        );
        assert!(told, "{error:?}");
    }
});
