//! Taking a message from a queue.

use std::collections::BTreeSet;

use aspen_core::runtime::{self, Backoff};
use aspen_core::{
    Consistency, KeyValue, Operation, ReadError, ReadRequest, Rejection, Revision,
    SCAN_RESULTS_MAX, ScanRequest, Value, WriteError, WriteFailure,
};
use aspen_txn::TransactionBuilder;

use super::message::{Message, MessageId};
use super::{QUEUE_IN_FLIGHT_MAX, QueueOptions, keys};
use crate::coordination::CoordinationError;
use crate::coordination::coordinator::milliseconds;
use crate::coordination::space::Space;

/// From how many of the oldest messages takers choose at most that got in each other's way. More
/// conflict less, and mix up the order more.
const CHOICE_MAX: usize = 32;

/// Pauses after a conflict, in milliseconds: as long as another's transaction takes.
const CLAIM_BACKOFF_MS: std::ops::Range<u64> = 2..100;

/// What came of looking for a message.
pub(super) enum Claimed {
    /// It is the caller's.
    Message(Box<Message>),
    /// One was delivered too often and is a dead letter now; look again.
    Buried,
    /// There was none at this revision.
    Nothing(Revision),
}

/// A message that nobody has.
struct Free {
    id: MessageId,
    /// How often it was delivered.
    attempts: u32,
    /// The key that says where it is, ready or in flight.
    entry: KeyValue,
    was_ready: bool,
}

/// Takes messages of a queue.
pub(super) struct Claims<'a> {
    pub(super) space: &'a Space,
    pub(super) options: &'a QueueOptions,
}

impl Claims<'_> {
    /// Takes one of the oldest messages; the oldest, unless others want it too.
    pub(super) async fn claim(&self) -> Result<Claimed, CoordinationError> {
        let mut backoff = Backoff::new(CLAIM_BACKOFF_MS.start, CLAIM_BACKOFF_MS.end);
        let mut choice = 1;
        loop {
            match self.try_claim(choice).await? {
                Some(claimed) => return Ok(claimed),
                None => runtime::sleep(backoff.pause()).await,
            }
            choice = (choice * 2).min(CHOICE_MAX);
        }
    }

    /// Takes one of the `choice` oldest messages; `None` when another was quicker.
    async fn try_claim(&self, choice: usize) -> Result<Option<Claimed>, CoordinationError> {
        let Some((mut free, revision)) = self.free(choice).await? else { return Ok(None) };
        if free.is_empty() {
            return Ok(Some(Claimed::Nothing(revision)));
        }
        let chosen = runtime::random_u64() as usize % free.len().min(choice);
        let free = free.swap_remove(chosen);
        match free.attempts >= self.options.attempts_max {
            true => self.bury(&free).await,
            false => self.take(&free, revision).await,
        }
    }

    /// The oldest messages that nobody has: first those whose time is over. `None` when they cannot
    /// be read at one revision.
    async fn free(
        &self,
        choice: usize,
    ) -> Result<Option<(Vec<Free>, Revision)>, CoordinationError> {
        let flights =
            ScanRequest { limit: SCAN_RESULTS_MAX, ..ScanRequest::new(self.space.in_flight()) };
        let page = self.space.scan(flights).await?;
        let claimed: BTreeSet<MessageId> = self.kind(&page.entries, keys::CLAIM).collect();
        let in_flight = self.kind(&page.entries, keys::IN_FLIGHT).count();
        let mut free: Vec<Free> =
            page.entries.into_iter().filter_map(|it| self.flight(it)).collect();
        free.retain(|free| !claimed.contains(&free.id));
        if in_flight < QUEUE_IN_FLIGHT_MAX && free.len() < choice {
            let Some(ready) = self.ready(choice, page.revision).await? else { return Ok(None) };
            free.extend(ready);
        }
        Ok(Some((free, page.revision)))
    }

    /// The messages of the keys of one kind.
    fn kind<'b>(
        &'b self,
        entries: &'b [KeyValue],
        kind: u8,
    ) -> impl Iterator<Item = MessageId> + 'b {
        let range = self.space.range(&[kind]);
        let of_kind = entries.iter().filter(move |it| range.contains(it.key.as_bytes()));
        of_kind.filter_map(|entry| self.space.message_of(&entry.key))
    }

    fn flight(&self, entry: KeyValue) -> Option<Free> {
        let is_flight = self.space.range(&[keys::IN_FLIGHT]).contains(entry.key.as_bytes());
        let id = self.space.message_of(&entry.key).filter(|_| is_flight)?;
        Some(Free { id, attempts: keys::number_of(&entry.value), entry, was_ready: false })
    }

    async fn ready(
        &self,
        choice: usize,
        revision: Revision,
    ) -> Result<Option<Vec<Free>>, CoordinationError> {
        let request = ScanRequest {
            limit: u32::try_from(choice).unwrap_or(SCAN_RESULTS_MAX),
            consistency: Consistency::AtRevision(revision),
            ..ScanRequest::new(self.space.range(&[keys::READY]))
        };
        let Some(page) = readable(self.space.store().scan(request).await)? else {
            return Ok(None);
        };
        let free = |entry: KeyValue| {
            let id = self.space.message_of(&entry.key)?;
            Some(Free { id, attempts: 0, entry, was_ready: true })
        };
        Ok(Some(page.entries.into_iter().filter_map(free).collect()))
    }

    /// Claims a message, if it is still as it was read.
    async fn take(
        &self,
        free: &Free,
        revision: Revision,
    ) -> Result<Option<Claimed>, CoordinationError> {
        let body = ReadRequest {
            keys: vec![self.space.message_key(keys::BODY, free.id)],
            consistency: Consistency::AtRevision(revision),
        };
        let Some(mut reply) = readable(self.space.store().read(body).await)? else {
            return Ok(None);
        };
        let Some(body) = reply.values.pop().flatten() else {
            let detail = format!("message {} of a queue has no body", free.id);
            return Err(ReadError::Corrupt(detail).into());
        };
        let receipt = Value::try_from(format!("{:016x}", runtime::random_u64()).as_str());
        let receipt = receipt.map_err(aspen_core::InvalidRequest::from)?;
        let attempt = free.attempts + 1;
        let claim = Operation::PutTtl {
            key: self.space.message_key(keys::CLAIM, free.id),
            value: receipt.clone(),
            ttl_ms: milliseconds(self.options.visibility),
        };
        let taken = self
            .unchanged(free)
            .set(self.space.message_key(keys::IN_FLIGHT, free.id), keys::number(attempt)?)
            .then([claim]);
        let taken = match free.was_ready {
            true => taken.delete(free.entry.key.clone()),
            false => taken,
        };
        let taken = settled(taken.execute(&**self.space.store()).await)?;
        let message =
            || Message::new(self.space.clone(), free.id, body.value.clone(), attempt, receipt);
        Ok(taken.then(message).map(Box::new).map(Claimed::Message))
    }

    /// Makes a message a dead letter, if it is still as it was read. Its body stays where it is.
    async fn bury(&self, free: &Free) -> Result<Option<Claimed>, CoordinationError> {
        let buried = self
            .unchanged(free)
            .delete(free.entry.key.clone())
            .set(self.space.message_key(keys::DEAD, free.id), keys::number(free.attempts)?);
        let buried = settled(buried.execute(&**self.space.store()).await)?;
        Ok(buried.then_some(Claimed::Buried))
    }

    /// A transaction that happens only if nobody has taken the message since it was read.
    fn unchanged(&self, free: &Free) -> TransactionBuilder {
        TransactionBuilder::new()
            .read(free.entry.key.clone(), free.entry.mod_revision)
            .read(self.space.message_key(keys::CLAIM, free.id), Revision::ZERO)
    }
}

/// What was read; `None` when the revision cannot be read (any more, or by a replica that lags), so
/// that it is to be looked for anew.
fn readable<T>(read: Result<T, ReadError>) -> Result<Option<T>, CoordinationError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(ReadError::Compacted { .. } | ReadError::FutureRevision { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a transaction happened; false when something that it had read has changed.
fn settled<T>(written: Result<T, WriteError>) -> Result<bool, CoordinationError> {
    match written {
        Ok(_) => Ok(true),
        Err(error) => match error.failure {
            WriteFailure::Rejected(Rejection::Conflict(_)) => Ok(false),
            _ => Err(error.into()),
        },
    }
}
