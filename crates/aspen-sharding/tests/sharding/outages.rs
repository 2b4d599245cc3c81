//! A shard that is not there.

use std::sync::Arc;

use aspen_core::{
    Applied, ErrorKind, KeyRange, KeyValueStore, MemoryStore, ReadError, ReadReply, ReadRequest,
    ScanPage, ScanRequest, ShardId, TransactionOutcome, WriteCommand, WriteError, WriteFailure,
};
use aspen_sharding::{ShardCount, ShardedStore};
use async_trait::async_trait;

use crate::support::{key, value};

/// The shard that is down.
const DOWN: ShardId = ShardId::new(1);

struct Down;

#[async_trait]
impl KeyValueStore for Down {
    async fn read(&self, _request: ReadRequest) -> Result<ReadReply, ReadError> {
        Err(ReadError::Unavailable("no quorum".to_owned()))
    }

    async fn scan(&self, _request: ScanRequest) -> Result<ScanPage, ReadError> {
        Err(ReadError::Unavailable("no quorum".to_owned()))
    }

    async fn write(&self, _command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        Err(WriteError::maybe_applied(WriteFailure::Unavailable("no quorum".to_owned())))
    }
}

#[tokio::test]
async fn the_shard_that_is_down_is_named_and_the_others_serve() {
    let count = ShardCount::new(3).unwrap();
    let stores = count.shards().map(|shard| -> Arc<dyn KeyValueStore> {
        match shard {
            DOWN => Arc::new(Down),
            _ => Arc::new(MemoryStore::new()),
        }
    });
    let store = ShardedStore::new(stores.collect()).unwrap();
    let (mut served, mut refused) = (0, 0);
    for number in 0..30 {
        let name = key(&format!("key-{number}"));
        let home = store.router().shard_for_key(name.as_bytes());
        match store.set(name.clone(), value("v")).await {
            Ok(_) => served += 1,
            Err(error) => {
                let WriteFailure::ShardUnavailable { shard, .. } = error.failure else {
                    panic!("{error}")
                };
                assert_eq!((shard, home, error.applied), (DOWN, DOWN, Applied::Maybe));
                let read = store.get(name).await.unwrap_err();
                assert_eq!(read.to_string(), "shard 1 is unavailable: no quorum");
                assert_eq!(read.kind(), ErrorKind::Unavailable);
                refused += 1;
            }
        }
    }
    assert!(served > 0 && refused > 0);
    let all = store.scan(ScanRequest::new(KeyRange::all())).await.unwrap_err();
    assert!(matches!(all, ReadError::ShardUnavailable { shard: DOWN, .. }), "{all}");
}
