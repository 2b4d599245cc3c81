//! Elections: one leads at a time, and all can follow who.

mod observer;

use std::time::Duration;

use aspen_core::{Compare, CompareOperator, CompareTarget, Key, KeyValue, Operation, Value};
use aspen_txn::TransactionBuilder;
use futures_util::stream::BoxStream;

use self::observer::Observer;
use super::line::Tag;
use super::space::Space;
use super::tenure::Tenure;
use super::waiting::within;
use super::{CoordinationError, FencingToken, Guard};

/// The candidates in the order in which they came. The first one leads.
const CANDIDATES: Tag = b'c';

/// An election: candidates lead one after the other, in the order in which they came (etcd's
/// recipe).
#[derive(Clone, Debug)]
pub struct Election {
    space: Space,
}

/// Who leads, as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Its token.
    pub token: FencingToken,
    /// What it proclaims.
    pub value: Value,
}

impl Leader {
    fn of(entry: &KeyValue) -> Self {
        Self { token: FencingToken::new(entry.create_revision), value: entry.value.clone() }
    }
}

impl Election {
    pub(super) fn new(space: Space) -> Self {
        Self { space }
    }

    /// Stands for election and waits until elected; `value` is what the leader proclaims at first.
    /// Dropping the future withdraws.
    ///
    /// # Errors
    /// As [`super::Lock::lock`].
    pub async fn campaign(&self, value: Value) -> Result<Leadership, CoordinationError> {
        let tenure = Tenure::begin(&self.space.coordinator).await?;
        let place = self.space.take_turn(&tenure, CANDIDATES, value, &[CANDIDATES]).await?;
        let guard = Guard::new(tenure, place.revision);
        Ok(Leadership { space: self.space.clone(), key: place.key, guard })
    }

    /// [`Election::campaign`] for at most so long.
    ///
    /// # Errors
    /// As [`Election::campaign`]; [`CoordinationError::DeadlinePassed`].
    pub async fn campaign_within(
        &self,
        value: Value,
        patience: Duration,
    ) -> Result<Leadership, CoordinationError> {
        within(patience, self.campaign(value)).await
    }

    /// Who leads now; `None` when nobody stands.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn leader(&self) -> Result<Option<Leader>, CoordinationError> {
        let (first, _) = self.space.first(self.space.range(&[CANDIDATES])).await?;
        Ok(first.as_ref().map(Leader::of))
    }

    /// The present leader, each later one, and everything they proclaim, in order and none left
    /// out, unless the observer falls behind the history that is kept: then it goes on with the
    /// leader of that time. Times without a leader are not told.
    ///
    /// The stream ends with an error when the cluster does not serve for a minute, or refuses.
    pub fn observe(&self) -> BoxStream<'static, Result<Leader, CoordinationError>> {
        Observer::new(self.space.clone()).into_stream()
    }
}

/// Leadership: until it is resigned or dropped, or its lease is lost.
#[must_use = "a leadership that is dropped is resigned"]
pub struct Leadership {
    space: Space,
    key: Key,
    guard: Guard,
}

impl Leadership {
    /// A number higher than that of every earlier leader; see [`FencingToken`].
    pub fn token(&self) -> FencingToken {
        self.guard.token()
    }

    /// Whether this is surely the leader.
    pub fn is_held(&self) -> bool {
        self.guard.is_held()
    }

    /// For how long this is surely the leader; see [`Guard::remaining`].
    pub fn remaining(&self) -> Duration {
        self.guard.remaining()
    }

    /// Waits until this is not surely the leader any more.
    pub async fn lost(&self) {
        self.guard.lost().await;
    }

    /// Tells observers another value.
    ///
    /// # Errors
    /// [`CoordinationError::LeaseLost`] when another leads, or may; see [`CoordinationError`].
    pub async fn proclaim(&self, value: Value) -> Result<(), CoordinationError> {
        let (key, lease) = (self.key.clone(), Some(self.guard.lease()));
        let is_mine = Compare {
            key: key.clone(),
            target: CompareTarget::CreateRevision(self.token().revision()),
            operator: CompareOperator::Equal,
        };
        let proclaimed = TransactionBuilder::new()
            .when([is_mine])
            .then([Operation::Put { key, value, lease }])
            .execute(&**self.space.store())
            .await?;
        match proclaimed.succeeded {
            true => Ok(()),
            false => Err(CoordinationError::LeaseLost),
        }
    }

    /// Steps down, and waits until the next candidate can lead.
    ///
    /// # Errors
    /// As [`Guard::release`].
    pub async fn resign(self) -> Result<(), CoordinationError> {
        self.guard.release().await
    }
}

impl std::fmt::Debug for Leadership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leadership").field("token", &self.token()).finish_non_exhaustive()
    }
}
