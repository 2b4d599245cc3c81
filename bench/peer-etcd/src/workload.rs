//! One operation of each workload.

use crate::keys::{Keys, Random};
use etcd_client::{Compare, CompareOp, Error, GetOptions, KvClient, Txn, TxnOp};

/// Keys that one scan returns.
const SCAN_KEYS: u64 = 100;
/// Of 100 operations of the mixed workload, this many are reads.
const MIXED_READS: u64 = 80;

/// What a client does again and again.
#[derive(Clone, Copy)]
pub enum Workload {
    /// Write one key.
    Put,
    /// Read one key; see every write acknowledged before.
    GetLinearizable,
    /// Read one key from the member asked, however old its answer.
    GetStale,
    /// Read 100 neighbouring keys.
    Scan100,
    /// Read one key and write it unless it changed meanwhile; repeated until it is written.
    Cas,
    /// Four reads, linearizable, for every write.
    Mixed,
    /// Write one key and wait until a watch of it tells.
    Watch,
}

const NAMES: [(&str, Workload); 7] = [
    ("put", Workload::Put),
    ("get-linearizable", Workload::GetLinearizable),
    ("get-stale", Workload::GetStale),
    ("scan-100", Workload::Scan100),
    ("cas", Workload::Cas),
    ("mixed", Workload::Mixed),
    ("watch", Workload::Watch),
];

impl std::str::FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, workload)| *workload).ok_or_else(|| format!("no workload `{name}`"))
    }
}

impl std::fmt::Display for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = NAMES.iter().find(|(_, known)| *known as u8 == *self as u8);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl Workload {
    /// Does one operation.
    pub async fn run(
        self,
        client: &mut KvClient,
        keys: &Keys,
        random: &mut Random,
    ) -> Result<(), Error> {
        let index = keys.pick(random);
        match self {
            Self::Put => put(client, keys, index).await,
            Self::GetLinearizable => get(client, keys, index, None).await,
            Self::GetStale => {
                get(client, keys, index, Some(GetOptions::new().with_serializable())).await
            }
            Self::Scan100 => scan(client, keys, index).await,
            Self::Cas => cas(client, keys, index).await,
            Self::Mixed if random.next() % 100 < MIXED_READS => {
                get(client, keys, index, None).await
            }
            // A client of the watch workload has a key of its own and runs elsewhere.
            Self::Mixed | Self::Watch => put(client, keys, index).await,
        }
    }
}

async fn put(client: &mut KvClient, keys: &Keys, index: u64) -> Result<(), Error> {
    client.put(keys.key(index), keys.value(), None).await.map(|_| ())
}

async fn get(
    client: &mut KvClient,
    keys: &Keys,
    index: u64,
    options: Option<GetOptions>,
) -> Result<(), Error> {
    client.get(keys.key(index), options).await.map(|_| ())
}

/// With an open end etcd counts the whole rest of the key space, eight times slower; the exact end
/// is its best case.
async fn scan(client: &mut KvClient, keys: &Keys, index: u64) -> Result<(), Error> {
    let first = index.min(keys.count().saturating_sub(SCAN_KEYS));
    let options = GetOptions::new().with_range(keys.key(first + SCAN_KEYS));
    client.get(keys.key(first), Some(options)).await.map(|_| ())
}

async fn cas(client: &mut KvClient, keys: &Keys, index: u64) -> Result<(), Error> {
    loop {
        let found = client.get(keys.key(index), None).await?;
        let revision = found.kvs().first().map_or(0, |kv| kv.mod_revision());
        let unchanged = Compare::mod_revision(keys.key(index), CompareOp::Equal, revision);
        let put = TxnOp::put(keys.key(index), keys.value(), None);
        if client.txn(Txn::new().when([unchanged]).and_then([put])).await?.succeeded() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_and_print_the_same() {
        for (name, workload) in NAMES {
            assert_eq!(workload.to_string(), name);
            assert_eq!(name.parse::<Workload>().map(|w| w.to_string()), Ok(name.to_string()));
        }
        assert!("nothing".parse::<Workload>().is_err());
    }
}
