//! Writes in flight.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use aspen_core::{
    Key, KeyValueStore, Rejection, Value, WriteCommand, WriteError, WriteFailure, runtime,
};

use super::Position;
use super::batches::Batch;
use crate::exit::CliError;

/// Batches in flight, oldest first. No key is in two of them: writes in flight have no order, and
/// of records with the same key the last must win.
pub(super) struct Pipeline {
    store: Arc<dyn KeyValueStore>,
    in_flight_max: usize,
    running: VecDeque<Running>,
    keys: BTreeSet<Key>,
}

struct Running {
    task: Option<runtime::JoinHandle<Result<(), WriteError>>>,
    keys: Vec<Key>,
    first_line: u64,
    end: Position,
    tail: Vec<u8>,
}

impl Pipeline {
    pub(super) fn new(store: Arc<dyn KeyValueStore>, in_flight_max: usize) -> Self {
        Self { store, in_flight_max, running: VecDeque::new(), keys: BTreeSet::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether the batch may not start before an older one has finished.
    pub(super) fn must_wait_for_room(&self, batch: &Batch) -> bool {
        self.running.len() >= self.in_flight_max
            || batch.pairs.iter().any(|(key, _)| self.keys.contains(key))
    }

    pub(super) fn start(&mut self, batch: Batch) {
        let keys: Vec<Key> = batch.pairs.iter().map(|(key, _)| key.clone()).collect();
        self.keys.extend(keys.iter().cloned());
        let task = (!batch.pairs.is_empty()).then(|| {
            let store = self.store.clone();
            runtime::spawn(async move { set_all(&*store, batch.pairs).await })
        });
        let Batch { first_line, end, tail, .. } = batch;
        self.running.push_back(Running { task, keys, first_line, end, tail });
    }

    /// Waits for the oldest batch; answers how far the import is then.
    pub(super) async fn finish_oldest(&mut self) -> Result<Option<(Position, Vec<u8>)>, CliError> {
        let Some(oldest) = self.running.pop_front() else { return Ok(None) };
        if let Some(task) = oldest.task {
            let result = task.await.map_err(|error| CliError::Failed(error.to_string()))?;
            let Position { lines, .. } = oldest.end;
            let lines = format!("lines {} to {lines}", oldest.first_line);
            result.map_err(|error| CliError::from(error).at(lines))?;
        }
        for key in &oldest.keys {
            self.keys.remove(key);
        }
        Ok(Some((oldest.end, oldest.tail)))
    }
}

/// Sets every pair, atomically. The group keeps only small results for retries, and a batch has a
/// large one: a retry after a lost answer then learns that the write happened, which is all that
/// matters here.
pub(crate) async fn set_all(
    store: &dyn KeyValueStore,
    pairs: Vec<(Key, Value)>,
) -> Result<(), WriteError> {
    match store.write(WriteCommand::SetMulti { pairs }).await {
        Ok(_) => Ok(()),
        Err(WriteError {
            failure: WriteFailure::Rejected(Rejection::ResultDropped { .. }),
            ..
        }) => Ok(()),
        Err(error) => Err(error),
    }
}
