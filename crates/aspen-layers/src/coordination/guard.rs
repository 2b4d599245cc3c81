//! What is held.

use std::time::Duration;

use aspen_core::{LeaseId, Revision};

use super::tenure::Tenure;
use super::{CoordinationError, FencingToken};

/// Something that is held (a lock, permits of a semaphore, a barrier) until it is released or
/// dropped, or its lease is lost.
///
/// It is surely held while [`Guard::is_held`]; stop when [`Guard::lost`] returns. As a process may
/// be paused between looking and acting, give [`Guard::token`] to what is protected.
#[must_use = "a guard that is dropped releases what it holds"]
pub struct Guard {
    tenure: Tenure,
    token: FencingToken,
}

impl Guard {
    pub(super) fn new(tenure: Tenure, since: Revision) -> Self {
        Self { tenure, token: FencingToken::new(since) }
    }

    /// A number higher than that of every earlier holder.
    pub fn token(&self) -> FencingToken {
        self.token
    }

    /// Whether it is surely held.
    pub fn is_held(&self) -> bool {
        self.tenure.is_held()
    }

    /// For how long it is surely held even if nobody can be reached from now on; zero once it is
    /// lost. Clocks that run at different speeds, within 10 %, shorten that by as much.
    pub fn remaining(&self) -> Duration {
        self.tenure.remaining()
    }

    /// Waits until it is not surely held any more. Another may hold it then.
    pub async fn lost(&self) {
        self.tenure.lost().await;
    }

    /// The lease on which it hangs.
    pub(super) fn lease(&self) -> LeaseId {
        self.tenure.lease()
    }

    /// Releases it, and waits until the next one can have it.
    ///
    /// # Errors
    /// [`CoordinationError::LeaseLost`] when it was lost before: another may have held it
    /// meanwhile. After any other it ends within its TTL.
    pub async fn release(self) -> Result<(), CoordinationError> {
        self.tenure.end().await
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("token", &self.token).finish_non_exhaustive()
    }
}
