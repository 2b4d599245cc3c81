//! Invariant: a pinned revision reads the same for as long as its lease is surely held, whatever
//! happens to its keys and to the history around it.
//!
//! Clients set and delete a few keys. Now and then one pins the newest revision, reads everything
//! at it, and reads it again later, whole and key by key, across faults and compactions, while it
//! goes on writing.

use std::collections::BTreeMap;
use std::time::Duration;

use aspen_core::{ErrorKind, Key, KeyValue, WriteCommand, runtime};
use aspen_txn::{Database, RangeQuery, Snapshot, TransactionError};
use async_trait::async_trait;
use futures_util::TryStreamExt;

use super::key_space::{KeySpace, text};
use super::{Context, Workload};
use crate::check::Violation;

/// How many keys there are: few, so that all change under a pin.
const KEYS: u64 = 8;

/// The longest pause between two reads of a pinned revision, in milliseconds.
const PAUSE_MS: u64 = 3_000;

/// What is there at a revision.
type Contents = BTreeMap<Key, KeyValue>;

/// Keys that change under pins.
pub(super) struct Pinning {
    keys: KeySpace,
}

impl Pinning {
    pub(super) fn new(before: &str) -> Self {
        Self { keys: KeySpace::new(format!("{before}pins")) }
    }

    fn any_key(&self, context: &Context) -> Key {
        self.keys.key(context.random.below(KEYS))
    }

    async fn write(&self, context: &Context) -> Result<(), Violation> {
        let key = self.any_key(context);
        let command = match context.random.one_in(3) {
            true => WriteCommand::Delete { key },
            false => WriteCommand::Set { key, value: text(context.random.below(1_000)) },
        };
        context.write(command).await.map(drop)
    }

    /// Pins a revision and reads it several times.
    async fn hold(&self, context: &Context) -> Result<(), Violation> {
        let database = Database::new(context.store.clone());
        let pin = database.pinned_snapshot(context.leases.clone());
        let Some(Ok(snapshot)) = context.patiently(pin).await else { return Ok(()) };
        let mut first = None;
        for _ in 0..2 + context.random.below(6) {
            match (self.contents(context, &snapshot).await?, &first) {
                (None, _) => {}
                (Some(found), None) => first = Some(found),
                (Some(found), Some(first)) => same(&snapshot, &found, first)?,
            }
            if let Some(first) = &first {
                self.look_at_one(context, &snapshot, first).await?;
            }
            if context.stop.is_set() {
                break;
            }
            self.write(context).await?;
            let pause_ms = context.random.below(PAUSE_MS);
            runtime::sleep(Duration::from_millis(pause_ms)).await;
        }
        if context.random.one_in(2) {
            // A failure is of no interest: the pin ends by itself then.
            let _ = context.patiently(snapshot.release()).await;
        }
        Ok(())
    }

    /// Everything at the snapshot's revision, in small pages; `None` when nobody could tell.
    async fn contents(
        &self,
        context: &Context,
        snapshot: &Snapshot,
    ) -> Result<Option<Contents>, Violation> {
        let query = RangeQuery::new(self.keys.range("")).page(3);
        let query = if context.random.one_in(2) { query.reverse() } else { query };
        let read = snapshot.stream(query).map_ok(|entry| (entry.key.clone(), entry)).try_collect();
        served(snapshot, context.patiently(read).await)
    }

    async fn look_at_one(
        &self,
        context: &Context,
        snapshot: &Snapshot,
        first: &Contents,
    ) -> Result<(), Violation> {
        let key = self.any_key(context);
        let read = context.patiently(snapshot.get(&key)).await;
        let Some(found) = served(snapshot, read)? else { return Ok(()) };
        match found.as_ref() == first.get(&key) {
            true => Ok(()),
            false => Err(changed(snapshot, format!("{found:?} was {:?}", first.get(&key)))),
        }
    }
}

/// What a read at a pinned revision is worth.
fn served<T>(
    snapshot: &Snapshot,
    read: Option<Result<T, TransactionError>>,
) -> Result<Option<T>, Violation> {
    match read {
        Some(Ok(found)) => Ok(Some(found)),
        Some(Err(error @ TransactionError::Compacted { .. })) if snapshot.is_pinned() => {
            Err(Violation::new("a pinned revision stays readable", error.to_string()))
        }
        Some(Err(error)) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Bug) => {
            Err(Violation::new("well-formed reads are served", error.to_string()))
        }
        Some(Err(_)) | None => Ok(None),
    }
}

fn same(snapshot: &Snapshot, found: &Contents, first: &Contents) -> Result<(), Violation> {
    match found == first {
        true => Ok(()),
        false => Err(changed(snapshot, format!("{found:?} was {first:?}"))),
    }
}

fn changed(snapshot: &Snapshot, detail: String) -> Violation {
    let detail = format!("revision {}: {detail}", snapshot.revision());
    Violation::new("a pinned revision does not change", detail)
}

#[async_trait]
impl Workload for Pinning {
    fn name(&self) -> &'static str {
        "pins"
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        while !context.stop.is_set() {
            context.think().await;
            match context.random.below(6) {
                0 => self.hold(&context).await?,
                _ => self.write(&context).await?,
            }
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        context.surely_scan(self.keys.range("")).await.map(drop)
    }
}
