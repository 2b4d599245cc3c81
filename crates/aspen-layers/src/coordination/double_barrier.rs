//! A barrier that all pass together, and leave together.

use std::time::Duration;

use aspen_core::{Key, Revision, ScanRequest, Value, WatchFilter};
use aspen_txn::Transaction;

use super::CoordinationError;
use super::line::Tag;
use super::space::Space;
use super::tenure::Tenure;
use super::waiting::within;

/// How many members a double barrier has at most: as many as one page of a scan holds.
pub const DOUBLE_BARRIER_MEMBERS_MAX: u32 = 1_000;

const _: () = assert!(DOUBLE_BARRIER_MEMBERS_MAX <= aspen_core::SCAN_RESULTS_DEFAULT);

/// Who has come and not left, and the key that says that all have come.
const MEMBERS: Tag = b'm';
const READY: &[u8] = b"r";

/// Members begin together, when all have come, and end together, when all have left (ZooKeeper's
/// recipe). A member that dies counts as not come before, and as left after, all were there.
#[derive(Clone, Debug)]
pub struct DoubleBarrier {
    space: Space,
    members: u32,
}

impl DoubleBarrier {
    pub(super) fn new(space: Space, members: u32) -> Self {
        Self { space, members }
    }

    /// Comes, and waits until all have come. Dropping the future leaves.
    ///
    /// # Errors
    /// [`CoordinationError::Full`] while as many as there shall be are inside, or some of them have
    /// not left yet; [`CoordinationError::LeaseLost`]; see [`CoordinationError`].
    pub async fn enter(&self) -> Result<DoubleBarrierGuard, CoordinationError> {
        let tenure = Tenure::begin(&self.space.coordinator).await?;
        let member = self.space.key(&[&[MEMBERS], &tenure.lease().get().to_be_bytes()]);
        let entered = async {
            self.come(&member, &tenure).await?;
            self.wait_for_all().await
        };
        tenure.while_held(entered).await?;
        Ok(DoubleBarrierGuard { space: self.space.clone(), tenure, member })
    }

    /// [`DoubleBarrier::enter`] for at most so long.
    ///
    /// # Errors
    /// As [`DoubleBarrier::enter`]; [`CoordinationError::DeadlinePassed`].
    pub async fn enter_within(
        &self,
        patience: Duration,
    ) -> Result<DoubleBarrierGuard, CoordinationError> {
        within(patience, self.enter()).await
    }

    /// Adds a member; the last one says that all have come.
    async fn come(&self, member: &Key, tenure: &Tenure) -> Result<(), CoordinationError> {
        let ready = self.space.key(&[READY]);
        let run = self.space.coordinator.database.run(async |tx| {
            let inside = members(&self.space, &tx).await?;
            if !inside.is_empty() && tx.get(&ready).await?.is_some() {
                return Err(CoordinationError::Full { members: self.members });
            }
            match inside.len() + 1 >= self.members as usize {
                true => tx.set(ready.clone(), Value::default())?,
                // Members that died inside may have left it behind.
                false => tx.delete(ready.clone())?,
            }
            tx.set_leased(member.clone(), Value::default(), tenure.lease())?;
            Ok(())
        });
        run.await
    }

    async fn wait_for_all(&self) -> Result<(), CoordinationError> {
        let ready = self.space.range(READY);
        while let (None, revision) = self.space.first(ready.clone()).await? {
            self.space.wait_for_change(ready.clone(), WatchFilter::Puts, revision).await?;
        }
        Ok(())
    }
}

async fn members(space: &Space, tx: &Transaction) -> Result<Vec<Key>, CoordinationError> {
    let found = tx.get_range(space.range(&[MEMBERS])).await?.entries;
    Ok(found.into_iter().map(|(key, _)| key).collect())
}

/// A member that is inside. Dropped, it leaves without waiting for the others.
#[must_use = "a guard that is dropped leaves"]
pub struct DoubleBarrierGuard {
    space: Space,
    tenure: Tenure,
    member: Key,
}

impl DoubleBarrierGuard {
    /// Whether the others surely count this member as inside.
    pub fn is_held(&self) -> bool {
        self.tenure.is_held()
    }

    /// Waits until the others may count this member as gone.
    pub async fn lost(&self) {
        self.tenure.lost().await;
    }

    /// Leaves, and waits until all have left.
    ///
    /// # Errors
    /// [`CoordinationError::LeaseLost`] when the others did not wait for this member; see
    /// [`CoordinationError`].
    pub async fn leave(self) -> Result<(), CoordinationError> {
        let left = self.tenure.while_held(self.go()).await?;
        // The lease has no key any more, and ends by itself if this fails.
        let Self { space, tenure, .. } = self;
        if let Err(error) = tenure.end().await {
            tracing::debug!(%error, "the lease of a member that left is left to end by itself");
        }
        wait_until_all_left(&space, left).await
    }

    /// Removes the member; the last one makes room for the next round.
    async fn go(&self) -> Result<Revision, CoordinationError> {
        let run = self.space.coordinator.database.run_committed(async |tx| {
            let inside = members(&self.space, &tx).await?;
            if !inside.contains(&self.member) {
                return Err(CoordinationError::LeaseLost);
            }
            if inside.len() == 1 {
                tx.delete(self.space.key(&[READY]))?;
            }
            tx.delete(self.member.clone())?;
            Ok(())
        });
        Ok(run.await?.revision.unwrap_or_default())
    }
}

/// Waits for the members that were inside when one left. The next round begins only after them, and
/// is not waited for.
async fn wait_until_all_left(space: &Space, left: Revision) -> Result<(), CoordinationError> {
    let members = ScanRequest::new(space.range(&[MEMBERS]));
    loop {
        let page = space.scan(members.clone()).await?;
        match page.entries.iter().find(|member| member.create_revision < left) {
            None => return Ok(()),
            Some(member) => space.wait_for_delete(member, page.revision).await?,
        }
    }
}

impl std::fmt::Debug for DoubleBarrierGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DoubleBarrierGuard").field("member", &self.member).finish_non_exhaustive()
    }
}
