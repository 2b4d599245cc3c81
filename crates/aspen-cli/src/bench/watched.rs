//! The watch workload: how long it takes from a put to the event that tells of it.

use aspen_core::{Key, KeyRange, WatchRequest, WatchStream, WatchUpdate};

use super::Target;
use super::operation::{Outcome, value};
use super::random::Random;
use crate::args::bench::BenchArgs;
use crate::exit::CliError;

/// A client's own key and the watch of it.
pub(super) struct Watched {
    client: usize,
    open: Option<(Key, WatchStream)>,
}

impl Watched {
    pub(super) fn new(client: usize) -> Self {
        Self { client, open: None }
    }

    /// Sets the key and waits until the watch tells of it.
    pub(super) async fn run(
        &mut self,
        store: &dyn Target,
        args: &BenchArgs,
        random: &mut Random,
    ) -> Result<Outcome, CliError> {
        let (key, stream) = match &mut self.open {
            Some((key, stream)) => (key.clone(), stream),
            None => {
                let key = Key::new(format!("watched/{:09}", self.client))
                    .map_err(|error| CliError::Invalid(error.to_string()))?;
                let stream = store.watch(WatchRequest::new(KeyRange::single(&key))).await?;
                (key.clone(), &mut self.open.insert((key, stream)).1)
            }
        };
        let set = store.set(key, value(random, args)?).await?;
        loop {
            match stream.next().await? {
                WatchUpdate::Events { revision, .. } if revision >= set.revision => {
                    return Ok(Outcome::Done);
                }
                _ => {}
            }
        }
    }
}
