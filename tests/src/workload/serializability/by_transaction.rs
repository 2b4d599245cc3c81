//! The same transactions, by `aspen-txn`.

use aspen_core::{Consistency, Key, Revision};
use aspen_txn::{Database, Transaction, TransactionError};

use super::super::Context;
use super::super::fate::Fate;
use super::{Found, Intent, Serializability};
use crate::check::Violation;

pub(super) fn begin(context: &Context) -> Transaction {
    Database::new(context.store.clone()).begin()
}

/// At which revision the transaction reads; `None` when nobody could tell.
pub(super) async fn consistency(
    context: &Context,
    transaction: &Transaction,
) -> Result<Option<Consistency>, Violation> {
    match context.patiently(transaction.read_revision()).await {
        Some(Ok(revision)) => Ok(Some(Consistency::AtRevision(revision))),
        Some(Err(error)) => judge(&error).map(|()| None),
        None => Ok(None),
    }
}

/// Errors that a well-formed transaction never meets are violations.
fn judge(error: &TransactionError) -> Result<(), Violation> {
    match error {
        TransactionError::Invalid(_) | TransactionError::Finished => {
            Err(Violation::new("well-formed transactions run", error.to_string()))
        }
        _ => Ok(()),
    }
}

impl Serializability {
    /// Reads the lists once more through the transaction, one by one or all at once, appends to
    /// those that are to grow, and commits.
    pub(super) async fn append_by(
        &self,
        context: &Context,
        transaction: &Transaction,
        intent: &Intent,
        (read_at, found): (Revision, &[Found]),
    ) -> Result<Fate, Violation> {
        let appending = self.append_within(context, transaction, intent, found);
        let Some(appended) = context.patiently(appending).await else { return Ok(Fate::Unknown) };
        match appended? {
            Ok(revision) => Ok(Fate::Applied(revision.unwrap_or(read_at))),
            Err(error) if error.may_have_committed() => Ok(Fate::Unknown),
            Err(error) => judge(&error).map(|()| Fate::NotApplied),
        }
    }

    async fn append_within(
        &self,
        context: &Context,
        transaction: &Transaction,
        intent: &Intent,
        found: &[Found],
    ) -> Result<Result<Option<Revision>, TransactionError>, Violation> {
        let keys: Vec<Key> = found.iter().map(|list| self.keys.key(&list.name)).collect();
        let values = match transaction.get_many(&keys).await {
            Ok(values) => values,
            Err(error) => return Ok(Err(error)),
        };
        let read = found.iter().map(|list| list.entry.as_ref().map(|entry| &entry.value));
        if !read.eq(values.iter().map(Option::as_ref)) {
            let detail = format!("{keys:?} were read twice at one revision: {values:?}");
            return Err(Violation::new("a revision never changes", detail));
        }
        for (key, value) in self.grown(intent, found) {
            if let Err(error) = transaction.set(key, value) {
                return Ok(Err(error));
            }
        }
        for _ in 0..context.random.below(3) {
            context.think().await;
        }
        Ok(transaction.commit().await)
    }
}
