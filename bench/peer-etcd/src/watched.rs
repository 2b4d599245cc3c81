//! The watch workload: how long it takes from a put to the event that tells of it.

use crate::keys::Keys;
use etcd_client::{Error, KvClient, WatchClient, WatchStream};

/// A client's own key and the watch of it.
pub struct Watched {
    client: WatchClient,
    key: Vec<u8>,
    stream: Option<WatchStream>,
}

impl Watched {
    /// The watch of one client, opened with its first operation.
    pub fn new(client: WatchClient, index: usize) -> Self {
        let key = format!("watched/{index:09}").into_bytes();
        Self { client, key, stream: None }
    }

    /// Sets the key and waits until the watch tells of it.
    pub async fn run(&mut self, kv: &mut KvClient, keys: &Keys) -> Result<(), Error> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(self.client.watch(self.key.clone(), None).await?),
        };
        let set = kv.put(self.key.clone(), keys.value(), None).await?;
        let revision = set.header().map_or(0, |header| header.revision());
        while let Some(told) = stream.message().await? {
            let newest = told.events().iter().filter_map(|event| Some(event.kv()?.mod_revision()));
            if newest.max().is_some_and(|newest| newest >= revision) {
                return Ok(());
            }
        }
        Err(Error::WatchError("the stream has ended".to_owned()))
    }
}
