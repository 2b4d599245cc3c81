//! Waiting until a cluster answers.

use crate::keys::Keys;
use etcd_client::{Client, Error};
use std::time::Duration;

/// How long one attempt may take before the next.
const ATTEMPT: Duration = Duration::from_secs(1);
/// The pause between attempts, which bounds the error of a measured restart.
const PAUSE: Duration = Duration::from_millis(5);

/// Returns after the first linearizable read that is answered. It has no limit of its own: whoever
/// starts it ends it.
pub async fn probe(endpoints: &[String], keys: &Keys) -> Result<(), Error> {
    loop {
        let attempt = tokio::time::timeout(ATTEMPT, read(endpoints, keys)).await;
        if matches!(attempt, Ok(Ok(()))) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn read(endpoints: &[String], keys: &Keys) -> Result<(), Error> {
    let mut client = Client::connect(endpoints, None).await?.kv_client();
    client.get(keys.key(0), None).await.map(|_| ())
}
