//! A barrier that all wait at while anybody holds it.

use std::time::Duration;

use aspen_core::Value;

use super::line::Tag;
use super::space::Space;
use super::tenure::Tenure;
use super::waiting::within;
use super::{CoordinationError, Guard};

/// Who holds the barrier.
const HOLDERS: Tag = b'h';

/// A barrier that all wait at while anybody holds it. It falls when its last holder releases it, or
/// dies.
#[derive(Clone, Debug)]
pub struct Barrier {
    space: Space,
}

impl Barrier {
    pub(super) fn new(space: Space) -> Self {
        Self { space }
    }

    /// Holds the barrier, beside others that do.
    ///
    /// # Errors
    /// See [`CoordinationError`].
    pub async fn hold(&self) -> Result<Guard, CoordinationError> {
        let tenure = Tenure::begin(&self.space.coordinator).await?;
        let place = self.space.take_turn(&tenure, HOLDERS, Value::default(), &[]).await?;
        Ok(Guard::new(tenure, place.revision))
    }

    /// Waits until nobody holds the barrier; at once when nobody does.
    ///
    /// # Errors
    /// When the cluster does not serve for a minute, or refuses.
    pub async fn wait(&self) -> Result<(), CoordinationError> {
        let holders = self.space.range(&[HOLDERS]);
        while let (Some(holder), revision) = self.space.first(holders.clone()).await? {
            self.space.wait_for_delete(&holder, revision).await?;
        }
        Ok(())
    }

    /// [`Barrier::wait`] for at most so long.
    ///
    /// # Errors
    /// As [`Barrier::wait`]; [`CoordinationError::DeadlinePassed`].
    pub async fn wait_within(&self, patience: Duration) -> Result<(), CoordinationError> {
        within(patience, self.wait()).await
    }
}
