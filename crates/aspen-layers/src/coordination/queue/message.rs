//! Messages as their takers hold them.

use std::time::Duration;

use aspen_core::{Compare, Operation, Revision, Value, validate_ttl};
use aspen_txn::TransactionBuilder;

use super::keys;
use crate::coordination::CoordinationError;
use crate::coordination::coordinator::milliseconds;
use crate::coordination::space::Space;

/// Which message of a queue: they grow in the order of enqueueing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Revision);

impl MessageId {
    /// The message that was enqueued at a revision.
    pub const fn new(revision: Revision) -> Self {
        Self(revision)
    }

    /// The revision.
    pub const fn revision(self) -> Revision {
        self.0
    }
}

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A message that was delivered too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which one.
    pub id: MessageId,
    /// What it says.
    pub body: Value,
    /// How often it was delivered.
    pub attempts: u32,
}

/// A message that was taken. Dropped, it is delivered again after its timeout.
#[derive(Debug)]
#[must_use = "a message that is not acknowledged is delivered again"]
pub struct Message {
    space: Space,
    id: MessageId,
    body: Value,
    attempt: u32,
    /// Drawn for this delivery: the claim holds it.
    receipt: Value,
}

impl Message {
    pub(super) fn new(
        space: Space,
        id: MessageId,
        body: Value,
        attempt: u32,
        receipt: Value,
    ) -> Self {
        Self { space, id, body, attempt, receipt }
    }

    /// Which message it is.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// What it says.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// How often it was delivered, this time included.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Removes the message: its work is done.
    ///
    /// # Errors
    /// [`CoordinationError::LeaseLost`] when its time was over: it is, or will be, delivered again.
    /// After one with `may_have_applied` it may be removed.
    pub async fn ack(self) -> Result<(), CoordinationError> {
        let removed = [keys::CLAIM, keys::IN_FLIGHT, keys::BODY];
        let delete = |kind| Operation::Delete { key: self.space.message_key(kind, self.id) };
        self.while_claimed(removed.map(delete)).await
    }

    /// Gives the taker so much time from now on instead of what is left.
    ///
    /// # Errors
    /// As [`Message::ack`]; names the limit of a lease's TTL.
    pub async fn extend(&self, visibility: Duration) -> Result<(), CoordinationError> {
        let ttl_ms = milliseconds(visibility);
        validate_ttl(ttl_ms)?;
        let (key, value) = (self.space.message_key(keys::CLAIM, self.id), self.receipt.clone());
        self.while_claimed([Operation::PutTtl { key, value, ttl_ms }]).await
    }

    /// Lets others have the message at once; this delivery counts.
    ///
    /// # Errors
    /// As [`Message::ack`].
    pub async fn give_back(self) -> Result<(), CoordinationError> {
        let key = self.space.message_key(keys::CLAIM, self.id);
        self.while_claimed([Operation::Delete { key }]).await
    }

    /// Does something if the claim is still this delivery's.
    async fn while_claimed(
        &self,
        operations: impl IntoIterator<Item = Operation>,
    ) -> Result<(), CoordinationError> {
        let claim = self.space.message_key(keys::CLAIM, self.id);
        let outcome = TransactionBuilder::new()
            .when([Compare::value(claim, self.receipt.clone())])
            .then(operations)
            .execute(&**self.space.store())
            .await?;
        match outcome.succeeded {
            true => Ok(()),
            false => Err(CoordinationError::LeaseLost),
        }
    }
}
