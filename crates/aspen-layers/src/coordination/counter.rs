//! A counter that all add to at once.

use aspen_core::{
    AtomicOperation, InvalidRequest, Key, Operation, OperationResult, Value, WriteError,
    WriteFailure,
};
use aspen_txn::TransactionBuilder;

use super::CoordinationError;
use super::space::Space;

/// A number that all add to at once, without conflicts. It wraps around at the ends of `i64`.
#[derive(Clone, Debug)]
pub struct Counter {
    space: Space,
}

impl Counter {
    pub(super) fn new(space: Space) -> Self {
        Self { space }
    }

    /// Adds, or subtracts what is negative; answers the sum. One round trip.
    ///
    /// # Errors
    /// See [`CoordinationError`]; after one with `may_have_applied` the sum may be raised.
    pub async fn add(&self, delta: i64) -> Result<i64, CoordinationError> {
        add_and_get(&self.space, delta.to_le_bytes()).await.map(i64::from_le_bytes)
    }

    /// The sum; 0 before anything was added.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get(&self) -> Result<i64, CoordinationError> {
        let found = self.space.store().get(key(&self.space)).await?;
        Ok(found.map_or(0, |entry| i64::from_le_bytes(bytes_of(&entry.value))))
    }

    /// Sets the sum to 0.
    ///
    /// # Errors
    /// As [`Counter::add`].
    pub async fn reset(&self) -> Result<(), CoordinationError> {
        self.space.store().delete(key(&self.space)).await?;
        Ok(())
    }
}

fn key(space: &Space) -> Key {
    space.key(&[b"n"])
}

fn bytes_of(value: &Value) -> [u8; 8] {
    value.as_bytes().try_into().unwrap_or_default()
}

/// Adds to a primitive's number, and reads it, in one write.
pub(super) async fn add_and_get(
    space: &Space,
    delta: [u8; 8],
) -> Result<[u8; 8], CoordinationError> {
    let delta = Value::new(delta.to_vec()).map_err(InvalidRequest::from)?;
    let outcome = TransactionBuilder::new()
        .atomic(key(space), AtomicOperation::Add(delta))
        .then([Operation::Get { key: key(space) }])
        .execute(&**space.store())
        .await?;
    match outcome.results.last() {
        Some(OperationResult::Get(Some(entry))) => Ok(bytes_of(&entry.value)),
        other => {
            let bug = WriteFailure::Bug(format!("a sum was answered by {other:?}"));
            Err(WriteError::maybe_applied(bug).into())
        }
    }
}
