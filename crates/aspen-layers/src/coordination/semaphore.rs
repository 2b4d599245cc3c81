//! A semaphore: so many permits, and no more, are held at a time.

use std::ops::ControlFlow;
use std::time::Duration;

use aspen_core::{InvalidRequest, Key, Revision, Value, WatchFilter};
use aspen_txn::{RangeQuery, Transaction};

use super::line::{Place, Tag};
use super::space::Space;
use super::tenure::Tenure;
use super::waiting::within;
use super::{CoordinationError, Guard};

/// How many permits a semaphore has at most: as many as one page of a scan holds holders, so that
/// each transaction can count them. More cost more to count; who needs them wants a rate limiter.
pub const SEMAPHORE_PERMITS_MAX: u32 = 1_000;

const _: () = assert!(SEMAPHORE_PERMITS_MAX <= aspen_core::SCAN_RESULTS_DEFAULT);

/// Who holds permits, each with their number; and who waits for some.
const HOLDERS: Tag = b'h';
const WAITERS: Tag = b'w';

/// The key that says how many permits there are.
const LIMIT: &[u8] = b"n";

/// So many permits, and no more, are held at a time; whoever waits gets them in the order in which
/// they came, also those who want many.
///
/// How many permits there are is written down at the first use; a user who names another number is
/// refused. Permits are counted in the transaction that takes them, so there are never too many.
#[derive(Clone, Debug)]
pub struct Semaphore {
    space: Space,
    permits: u32,
}

/// Whether permits were free: the revision of the hold, or the one at which there were too few.
type Claim = ControlFlow<Revision, Revision>;

impl Semaphore {
    pub(super) fn new(space: Space, permits: u32) -> Self {
        Self { space, permits }
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// As [`super::Lock::lock`]; also when others use the semaphore with another number of permits.
    pub async fn acquire(&self) -> Result<Guard, CoordinationError> {
        self.acquire_many(1).await
    }

    /// Waits for several permits, which are held and released together. Dropping the future gives
    /// up the place in line.
    ///
    /// # Errors
    /// As [`Semaphore::acquire`]; names the number when it is 0 or more than there are.
    pub async fn acquire_many(&self, permits: u32) -> Result<Guard, CoordinationError> {
        self.check(permits)?;
        let tenure = Tenure::begin(&self.space.coordinator).await?;
        let since = tenure.while_held(self.wait_for(permits, &tenure)).await?;
        Ok(Guard::new(tenure, since))
    }

    /// [`Semaphore::acquire_many`] for at most so long.
    ///
    /// # Errors
    /// As [`Semaphore::acquire_many`]; [`CoordinationError::DeadlinePassed`].
    pub async fn acquire_many_within(
        &self,
        permits: u32,
        patience: Duration,
    ) -> Result<Guard, CoordinationError> {
        within(patience, self.acquire_many(permits)).await
    }

    /// Takes permits if they are free and nobody waits; `None` otherwise.
    ///
    /// # Errors
    /// As [`Semaphore::acquire_many`].
    pub async fn try_acquire_many(&self, permits: u32) -> Result<Option<Guard>, CoordinationError> {
        self.check(permits)?;
        let tenure = Tenure::begin(&self.space.coordinator).await?;
        match tenure.while_held(self.claim(permits, &tenure, None)).await? {
            Claim::Break(since) => Ok(Some(Guard::new(tenure, since))),
            Claim::Continue(_) => Ok(None),
        }
    }

    fn check(&self, permits: u32) -> Result<(), InvalidRequest> {
        match permits {
            wanted if (1..=self.permits).contains(&wanted) => Ok(()),
            wanted => {
                let detail = format!("permits: {wanted} is not within 1 and {}", self.permits);
                Err(InvalidRequest::new(detail))
            }
        }
    }

    async fn wait_for(&self, permits: u32, tenure: &Tenure) -> Result<Revision, CoordinationError> {
        if let Claim::Break(since) = self.claim(permits, tenure, None).await? {
            return Ok(since);
        }
        let joined = self.space.join(WAITERS, Value::default(), tenure.lease(), &[WAITERS]).await?;
        let place = match joined {
            ControlFlow::Break(first) => first,
            ControlFlow::Continue(place) => {
                self.space.wait_turn(&place, &[WAITERS]).await?;
                place
            }
        };
        loop {
            match self.claim(permits, tenure, Some(&place)).await? {
                Claim::Break(since) => return Ok(since),
                Claim::Continue(counted) => {
                    let holders = self.space.range(&[HOLDERS]);
                    self.space.wait_for_change(holders, WatchFilter::Deletes, counted).await?;
                }
            }
        }
    }

    /// Takes permits if there are enough and nobody waits before `place`, which is given up then;
    /// without a place, if nobody waits at all.
    async fn claim(
        &self,
        permits: u32,
        tenure: &Tenure,
        place: Option<&Place>,
    ) -> Result<Claim, CoordinationError> {
        let holder = self.space.key(&[&[HOLDERS], &tenure.lease().get().to_be_bytes()]);
        let run = self.space.coordinator.database.run_committed(async |tx| {
            self.agree_on_permits(&tx).await?;
            let first = self.first_waiter(&tx).await?;
            let is_turn = first.as_ref() == place.map(|place| &place.key);
            if !is_turn || self.permits_held(&tx).await? + permits > self.permits {
                return Ok(Some(tx.read_revision().await?));
            }
            if let Some(place) = place {
                tx.delete(place.key.clone())?;
            }
            tx.set_leased(holder.clone(), number(permits)?, tenure.lease())?;
            Ok::<_, CoordinationError>(None)
        });
        let committed = run.await?;
        match (committed.value, committed.revision) {
            (None, Some(since)) => Ok(Claim::Break(since)),
            (counted, _) => Ok(Claim::Continue(counted.unwrap_or_default())),
        }
    }

    /// Writes down how many permits there are, or checks it.
    async fn agree_on_permits(&self, tx: &Transaction) -> Result<(), CoordinationError> {
        let key = self.space.key(&[LIMIT]);
        let Some(found) = tx.get(&key).await? else {
            return Ok(tx.set(key, number(self.permits)?)?);
        };
        match number_of(&found) {
            agreed if agreed == self.permits => Ok(()),
            agreed => {
                let detail = format!("permits: {} where others say {agreed}", self.permits);
                Err(InvalidRequest::new(detail).into())
            }
        }
    }

    async fn first_waiter(&self, tx: &Transaction) -> Result<Option<Key>, CoordinationError> {
        let first = RangeQuery::new(self.space.range(&[WAITERS])).limit(1);
        Ok(tx.get_range(first).await?.entries.pop().map(|(key, _)| key))
    }

    async fn permits_held(&self, tx: &Transaction) -> Result<u32, CoordinationError> {
        let holders = tx.get_range(self.space.range(&[HOLDERS])).await?.entries;
        Ok(holders.iter().map(|(_, permits)| number_of(permits)).sum())
    }
}

fn number(number: u32) -> Result<Value, InvalidRequest> {
    Ok(Value::new(number.to_le_bytes().to_vec())?)
}

fn number_of(value: &Value) -> u32 {
    value.as_bytes().try_into().map_or(0, u32::from_le_bytes)
}
