//! Writing every key once.

use crate::keys::Keys;
use etcd_client::{Error, KvClient, Txn, TxnOp};
use tokio::task::JoinSet;

/// How many loops write at once.
pub const WRITERS: usize = 16;
/// Keys in one transaction; etcd's default limit is 128 operations.
const KEYS_PER_TRANSACTION: u64 = 100;

/// Writes all keys, each client every n-th transaction of them.
pub async fn load(clients: &[KvClient], keys: &Keys) -> Result<(), Error> {
    let mut writers = JoinSet::new();
    for (index, client) in clients.iter().enumerate() {
        let (client, keys) = (client.clone(), keys.clone());
        writers.spawn(write_share(client, keys, index as u64, clients.len() as u64));
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    }
    Ok(())
}

async fn write_share(
    mut client: KvClient,
    keys: Keys,
    share: u64,
    shares: u64,
) -> Result<(), Error> {
    let step = usize::try_from(KEYS_PER_TRANSACTION * shares).unwrap_or(usize::MAX);
    for first in (share * KEYS_PER_TRANSACTION..keys.count()).step_by(step) {
        let last = (first + KEYS_PER_TRANSACTION).min(keys.count());
        let puts = (first..last).map(|index| TxnOp::put(keys.key(index), keys.value(), None));
        client.txn(Txn::new().and_then(puts.collect::<Vec<_>>())).await?;
    }
    Ok(())
}
