//! A lock that many readers or one writer hold.

use std::time::Duration;

use aspen_core::Value;

use super::line::Tag;
use super::space::Space;
use super::tenure::Tenure;
use super::waiting::within;
use super::{CoordinationError, Guard};

/// The lines of readers and of writers; revisions order both together.
const READERS: Tag = b'r';
const WRITERS: Tag = b'w';

/// A lock that many readers or one writer hold. Whoever came first goes first: a reader waits for
/// the writers before it, a writer for everyone before it, so that neither can starve the other.
/// The token of a writer is higher than those of everyone before it; readers that hold the lock at
/// once have tokens of their own.
#[derive(Clone, Debug)]
pub struct ReadWriteLock {
    space: Space,
}

/// The line to stand in, and those to wait for.
type Side = (Tag, &'static [Tag]);

const READ: Side = (READERS, &[WRITERS]);
const WRITE: Side = (WRITERS, &[READERS, WRITERS]);

impl ReadWriteLock {
    pub(super) fn new(space: Space) -> Self {
        Self { space }
    }

    /// Waits until no writer that came earlier is left. Dropping the future gives up the place.
    ///
    /// # Errors
    /// As [`super::Lock::lock`].
    pub async fn read(&self) -> Result<Guard, CoordinationError> {
        self.take(READ).await
    }

    /// [`ReadWriteLock::read`] for at most so long.
    ///
    /// # Errors
    /// As [`super::Lock::lock_within`].
    pub async fn read_within(&self, patience: Duration) -> Result<Guard, CoordinationError> {
        within(patience, self.read()).await
    }

    /// Takes the lock for reading if no writer has it or waits for it.
    ///
    /// # Errors
    /// As [`super::Lock::try_lock`].
    pub async fn try_read(&self) -> Result<Option<Guard>, CoordinationError> {
        self.try_take(READ).await
    }

    /// Waits until nobody that came earlier is left. Dropping the future gives up the place.
    ///
    /// # Errors
    /// As [`super::Lock::lock`].
    pub async fn write(&self) -> Result<Guard, CoordinationError> {
        self.take(WRITE).await
    }

    /// [`ReadWriteLock::write`] for at most so long.
    ///
    /// # Errors
    /// As [`super::Lock::lock_within`].
    pub async fn write_within(&self, patience: Duration) -> Result<Guard, CoordinationError> {
        within(patience, self.write()).await
    }

    /// Takes the lock for writing if nobody has it or waits for it.
    ///
    /// # Errors
    /// As [`super::Lock::try_lock`].
    pub async fn try_write(&self) -> Result<Option<Guard>, CoordinationError> {
        self.try_take(WRITE).await
    }

    async fn take(&self, (line, before): Side) -> Result<Guard, CoordinationError> {
        let tenure = Tenure::begin(&self.space.coordinator).await?;
        let place = self.space.take_turn(&tenure, line, self.identity(), before).await?;
        Ok(Guard::new(tenure, place.revision))
    }

    async fn try_take(&self, (line, before): Side) -> Result<Option<Guard>, CoordinationError> {
        let tenure = Tenure::begin(&self.space.coordinator).await?;
        let joined = self.space.try_join(line, self.identity(), tenure.lease(), before);
        let place = tenure.while_held(joined).await?;
        Ok(place.map(|place| Guard::new(tenure, place.revision)))
    }

    fn identity(&self) -> Value {
        self.space.coordinator.identity.clone()
    }
}
