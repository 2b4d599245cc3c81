//! A queue: work that is handed to one at a time until it is done.

mod claim;
mod keys;
mod message;
mod options;

use std::time::Duration;

use aspen_core::{Projection, ScanRequest, Value, WatchFilter};
use aspen_txn::{RangeQuery, TransactionError};

use self::claim::{Claimed, Claims};
use super::CoordinationError;
use super::space::Space;
use super::waiting::within;

pub use message::{DeadLetter, Message, MessageId};
pub use options::{QUEUE_IN_FLIGHT_MAX, QueueOptions};

/// A queue of messages, each delivered at least once.
///
/// * A message that is taken is invisible to others for its *visibility timeout*. Until then its
///   taker acknowledges it, extends the time or gives it back; else it is delivered again.
/// * The timeout is the TTL of a lease: the cluster's leader counts it, no clock of a client does.
///   It never ends early, and a change of leader may prolong it.
/// * A message that was delivered `attempts_max` times becomes a *dead letter* instead of being
///   delivered once more.
/// * Messages come in the order in which they were committed, as far as takers do not get in each
///   other's way and none is delivered again.
///
/// Whoever acts on a message may be paused beyond its timeout: what it does should do no harm when
/// it is done twice.
#[derive(Clone, Debug)]
pub struct Queue {
    space: Space,
    options: QueueOptions,
}

/// How many messages a queue has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// Not delivered yet.
    pub ready: u64,
    /// Delivered and not acknowledged; those that timed out or were given back included.
    pub in_flight: u64,
    /// Dead letters.
    pub dead: u64,
}

impl Queue {
    pub(super) fn new(space: Space, options: QueueOptions) -> Self {
        Self { space, options }
    }

    /// Adds a message. Any number of clients do at once without conflicts.
    ///
    /// # Errors
    /// See [`CoordinationError`]; after one with `may_have_applied` it may be in the queue.
    pub async fn enqueue(&self, body: Value) -> Result<MessageId, CoordinationError> {
        let committed = self
            .space
            .coordinator
            .database
            .run_committed(async |tx| {
                let (key, position) = self.space.unstamped(keys::BODY);
                tx.set_versionstamped(key, body.clone(), position)?;
                let (key, position) = self.space.unstamped(keys::READY);
                tx.set_versionstamped(key, Value::default(), position)?;
                Ok::<_, TransactionError>(())
            })
            .await?;
        Ok(MessageId::new(committed.revision.unwrap_or_default()))
    }

    /// Takes a message if there is one.
    ///
    /// # Errors
    /// See [`CoordinationError`]; after one with `may_have_applied` a message may be invisible
    /// until its timeout.
    pub async fn try_dequeue(&self) -> Result<Option<Message>, CoordinationError> {
        let claims = Claims { space: &self.space, options: &self.options };
        loop {
            match claims.claim().await? {
                Claimed::Message(message) => return Ok(Some(*message)),
                Claimed::Buried => {}
                Claimed::Nothing(_) => return Ok(None),
            }
        }
    }

    /// Waits for a message and takes it.
    ///
    /// # Errors
    /// As [`Queue::try_dequeue`].
    pub async fn dequeue(&self) -> Result<Message, CoordinationError> {
        let claims = Claims { space: &self.space, options: &self.options };
        loop {
            match claims.claim().await? {
                Claimed::Message(message) => return Ok(*message),
                Claimed::Buried => {}
                Claimed::Nothing(revision) => {
                    let news = self.space.news();
                    self.space.wait_for_change(news, WatchFilter::All, revision).await?;
                }
            }
        }
    }

    /// [`Queue::dequeue`] for at most so long.
    ///
    /// # Errors
    /// As [`Queue::dequeue`]; [`CoordinationError::DeadlinePassed`]: then a message may have been
    /// taken that nobody has, and is delivered again after its timeout.
    pub async fn dequeue_within(&self, patience: Duration) -> Result<Message, CoordinationError> {
        within(patience, self.dequeue()).await
    }

    /// How many messages there are.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn status(&self) -> Result<QueueStatus, CoordinationError> {
        Ok(QueueStatus {
            ready: self.count(keys::READY).await?,
            in_flight: self.count(keys::IN_FLIGHT).await?,
            dead: self.count(keys::DEAD).await?,
        })
    }

    async fn count(&self, kind: u8) -> Result<u64, CoordinationError> {
        let range = self.space.range(&[kind]);
        let request = ScanRequest { projection: Projection::CountOnly, ..ScanRequest::new(range) };
        Ok(self.space.scan(request).await?.count)
    }

    /// The oldest dead letters, at most so many.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, CoordinationError> {
        let run = self.space.coordinator.database.run(async |tx| {
            let query = RangeQuery::new(self.space.range(&[keys::DEAD])).limit(u64::from(limit));
            let mut letters = Vec::new();
            for (key, attempts) in tx.get_range(query).await?.entries {
                let Some(id) = self.space.message_of(&key) else { continue };
                let body = tx.get(&self.space.message_key(keys::BODY, id)).await?;
                let (body, attempts) = (body.unwrap_or_default(), keys::number_of(&attempts));
                letters.push(DeadLetter { id, body, attempts });
            }
            Ok::<_, CoordinationError>(letters)
        });
        run.await
    }

    /// Puts a dead letter back into the queue, as if it had never been delivered; false when there
    /// is none of this id.
    ///
    /// # Errors
    /// See [`CoordinationError`].
    pub async fn revive(&self, id: MessageId) -> Result<bool, CoordinationError> {
        self.end_dead(id, true).await
    }

    /// Removes a dead letter; false when there is none of this id.
    ///
    /// # Errors
    /// See [`CoordinationError`].
    pub async fn discard(&self, id: MessageId) -> Result<bool, CoordinationError> {
        self.end_dead(id, false).await
    }

    async fn end_dead(&self, id: MessageId, revive: bool) -> Result<bool, CoordinationError> {
        let dead = self.space.message_key(keys::DEAD, id);
        let run = self.space.coordinator.database.run(async |tx| {
            if tx.get(&dead).await?.is_none() {
                return Ok(false);
            }
            tx.delete(dead.clone())?;
            match revive {
                true => tx.set(self.space.message_key(keys::READY, id), Value::default())?,
                false => tx.delete(self.space.message_key(keys::BODY, id))?,
            }
            Ok::<_, CoordinationError>(true)
        });
        run.await
    }
}
