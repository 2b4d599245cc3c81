//! A lock that one holds at a time.

use std::time::Duration;

use aspen_core::Value;

use super::line::Tag;
use super::space::Space;
use super::tenure::Tenure;
use super::waiting::within;
use super::{CoordinationError, FencingToken, Guard};

/// The only line of a lock. Its first place is the holder's.
const LINE: Tag = b'l';

/// A lock that one holds at a time; the others wait in the order in which they came (etcd's recipe:
/// places in the order of `create_revision`, each waiter watches the one before it).
///
/// Without waiting it costs two writes to take, one of which grants the lease, and one to release.
#[derive(Clone, Debug)]
pub struct Lock {
    space: Space,
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    /// Its token.
    pub token: FencingToken,
    /// What it says of itself ([`super::Coordinator::with_identity`]).
    pub identity: Value,
}

impl Lock {
    pub(super) fn new(space: Space) -> Self {
        Self { space }
    }

    /// Takes the lock if nobody holds it or waits for it; `None` when somebody does.
    ///
    /// # Errors
    /// See [`CoordinationError`]; nothing is held then, and nothing stays behind beyond its lease.
    pub async fn try_lock(&self) -> Result<Option<Guard>, CoordinationError> {
        if self.holder().await?.is_some() {
            return Ok(None);
        }
        let tenure = Tenure::begin(&self.space.coordinator).await?;
        let identity = self.space.coordinator.identity.clone();
        let joined = self.space.try_join(LINE, identity, tenure.lease(), &[LINE]);
        match tenure.while_held(joined).await? {
            Some(place) => Ok(Some(Guard::new(tenure, place.revision))),
            None => Ok(None),
        }
    }

    /// Waits for the lock and takes it. Dropping the future gives up the place in line.
    ///
    /// # Errors
    /// As [`Lock::try_lock`]; [`CoordinationError::LeaseLost`] when the place in line was lost, as
    /// no one could be reached for the lease's TTL.
    pub async fn lock(&self) -> Result<Guard, CoordinationError> {
        let tenure = Tenure::begin(&self.space.coordinator).await?;
        let identity = self.space.coordinator.identity.clone();
        let place = self.space.take_turn(&tenure, LINE, identity, &[LINE]).await?;
        Ok(Guard::new(tenure, place.revision))
    }

    /// [`Lock::lock`] for at most so long.
    ///
    /// # Errors
    /// As [`Lock::lock`]; [`CoordinationError::DeadlinePassed`].
    pub async fn lock_within(&self, patience: Duration) -> Result<Guard, CoordinationError> {
        within(patience, self.lock()).await
    }

    /// Who holds the lock now; it may be another one a moment later.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn holder(&self) -> Result<Option<LockHolder>, CoordinationError> {
        let (first, _) = self.space.first(self.space.range(&[LINE])).await?;
        Ok(first.map(|entry| {
            let token = FencingToken::new(entry.create_revision);
            LockHolder { token, identity: entry.value }
        }))
    }
}
