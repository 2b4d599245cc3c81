//! Invariant: transactions are strictly serializable, in the order of their revisions, and each
//! took effect once. Keys hold lists; a transaction reads some of them and appends to some of
//! those, if nothing that it read has changed: by `aspen-txn`, or by a guarded write. After
//! Jepsen's `append` tests; judged at the end by [`check_strictly_serializable`],
//! [`check_revisions`] and [`check_lists`].

mod by_transaction;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use aspen_core::{
    Consistency, Key, KeyValue, Operation, ReadRequest, Revision, Value, WriteCommand,
};
use async_trait::async_trait;

use super::fate::Fate;
use super::guard::Guard;
use super::key_space::{KeySpace, text};
use super::{Context, Workload};
use crate::check::Violation;
use crate::check::exactly_once::check_lists;
use crate::check::revisions::check_revisions;
use crate::check::serializability::check_strictly_serializable;
use crate::history::{
    Freshness, ListOp, OpId, Outcome, RangeRead, RevisionOutcome, RevisionRecorder, Seen,
    TransactionRecorder,
};

/// How many lists are in use at once: few, so that transactions meet.
const LISTS: u64 = 4;

/// After so many transactions all clients move to fresh lists, so that none grows long.
const GENERATION_TRANSACTIONS: u64 = 150;

/// Lists and what clients did to them.
pub(super) struct Serializability {
    keys: KeySpace,
    transactions: AtomicU64,
    elements: AtomicU64,
    serial: TransactionRecorder,
    revisions: RevisionRecorder,
}

/// What one transaction is about to do.
struct Intent {
    /// The lists that it reads.
    names: Vec<String>,
    /// What it appends, and to which of those.
    appends: BTreeMap<String, u64>,
}

/// A list as it was read.
struct Found {
    name: String,
    entry: Option<KeyValue>,
    elements: Vec<u64>,
}

/// The ids under which both recorders know a transaction.
type Ids = (OpId, OpId);

impl Serializability {
    pub(super) fn new(before: &str) -> Self {
        Self {
            keys: KeySpace::new(format!("{before}serializability")),
            transactions: AtomicU64::new(0),
            elements: AtomicU64::new(0),
            serial: TransactionRecorder::new(),
            revisions: RevisionRecorder::new(),
        }
    }

    fn generation(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed) / GENERATION_TRANSACTIONS
    }

    fn intend(&self, context: &Context) -> Intent {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        let (first, count) = (context.random.below(LISTS), 1 + context.random.below(3));
        let generation = self.generation();
        let names = (first..first + count).map(|list| name(generation, list % LISTS));
        let names: Vec<String> = names.collect();
        let appends = names.iter().filter(|_| context.random.one_in(2));
        let next = |name: &String| (name.clone(), self.elements.fetch_add(1, Ordering::Relaxed));
        Intent { appends: appends.map(next).collect(), names }
    }

    async fn transact(&self, context: &Context) -> Result<Option<Revision>, Violation> {
        let intent = self.intend(context);
        let ids = self.invoke(context, &intent);
        let by_transaction = context.random.one_in(2).then(|| by_transaction::begin(context));
        let consistency = match &by_transaction {
            Some(transaction) => by_transaction::consistency(context, transaction).await?,
            None => Some(Consistency::Linearizable),
        };
        let read = match consistency {
            Some(consistency) => self.read(context, &intent, consistency).await?,
            None => None,
        };
        let Some((read_at, found)) = read else {
            self.end(ids, Outcome::Failed);
            return Ok(None);
        };
        let fate = match (by_transaction, intent.appends.is_empty()) {
            (Some(transaction), _) => {
                self.append_by(context, &transaction, &intent, (read_at, &found)).await?
            }
            (None, true) => Fate::Applied(read_at),
            (None, false) => self.append(context, &intent, &found).await?,
        };
        let Fate::Applied(revision) = fate else {
            let unknown = fate == Fate::Unknown;
            self.end(ids, if unknown { Outcome::Unknown } else { Outcome::Failed });
            return Ok(None);
        };
        self.end(ids, Outcome::Ok((revision, seen(&intent, &found), reads(&found))));
        Ok(Some(revision))
    }

    fn invoke(&self, context: &Context, intent: &Intent) -> Ids {
        let asked = intent.names.iter().map(ListOp::read).chain(appended(intent)).collect();
        let serial = self.serial.invoke(context.client, asked);
        let writes: BTreeMap<_, _> =
            intent.appends.iter().map(|(name, element)| (name.clone(), Some(*element))).collect();
        let by_revision = match writes.is_empty() {
            true => self.revisions.invoke_read(context.client, Freshness::Linearizable),
            false => self.revisions.invoke(context.client, writes),
        };
        (serial, by_revision)
    }

    fn end(&self, ids: Ids, outcome: Outcome<(Revision, Vec<ListOp>, Vec<RangeRead>)>) {
        let (serial, by_revision) = match outcome {
            Outcome::Ok((revision, seen, reads)) => {
                (Outcome::Ok(seen), Outcome::Ok(RevisionOutcome { revision, reads }))
            }
            Outcome::Failed => (Outcome::Failed, Outcome::Failed),
            Outcome::Unknown => (Outcome::Unknown, Outcome::Unknown),
        };
        self.serial.complete(ids.0, serial);
        self.revisions.complete(ids.1, by_revision);
    }

    async fn read(
        &self,
        context: &Context,
        intent: &Intent,
        consistency: Consistency,
    ) -> Result<Option<(Revision, Vec<Found>)>, Violation> {
        let keys = intent.names.iter().map(|name| self.keys.key(name)).collect();
        let request = ReadRequest { keys, consistency };
        let Some(reply) = context.read(request).await? else { return Ok(None) };
        let names = intent.names.iter().cloned();
        let found: Result<Vec<Found>, Violation> =
            names.zip(reply.values).map(|(name, entry)| Found::new(name, entry)).collect();
        Ok(Some((reply.revision, found?)))
    }

    async fn append(
        &self,
        context: &Context,
        intent: &Intent,
        found: &[Found],
    ) -> Result<Fate, Violation> {
        for _ in 0..context.random.below(3) {
            context.think().await;
        }
        let put = |(key, value)| Operation::put(key, value);
        let operations = self.grown(intent, found).map(put).collect();
        let reads: Vec<_> =
            found.iter().map(|list| (self.keys.key(&list.name), list.entry.clone())).collect();
        let command: WriteCommand = Guard::pick(&context.random).command(&reads, operations);
        Ok(context.write(command).await?.fate())
    }

    /// The lists that grow, with what they become.
    fn grown(&self, intent: &Intent, found: &[Found]) -> impl Iterator<Item = (Key, Value)> {
        let grown = |list: &Found| {
            let element = intent.appends.get(&list.name)?;
            let elements: Vec<String> =
                list.elements.iter().chain([element]).map(u64::to_string).collect();
            Some((self.keys.key(&list.name), text(elements.join(" "))))
        };
        found.iter().filter_map(grown)
    }

    /// Reads every list of the generation as it was at some revision.
    async fn look(&self, context: &Context, known: Revision) -> Result<(), Violation> {
        let (start, end) = bounds(self.generation());
        let consistency = match known > Revision::ZERO && context.random.one_in(2) {
            true => Consistency::AtRevision(known),
            false => Consistency::Stale,
        };
        let id = self.revisions.invoke_read(context.client, Freshness::Stale);
        let range = self.keys.between(&start, &end);
        let Some(snapshot) = context.observe(&range, consistency).await? else {
            self.revisions.complete(id, Outcome::Failed);
            return Ok(());
        };
        let parse = |entry: KeyValue| Found::new(self.keys.name(&entry.key).into(), Some(entry));
        let found = snapshot.entries.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let found = found.iter().filter_map(Found::seen).collect();
        let reads = vec![RangeRead { start, end, found }];
        let outcome = RevisionOutcome { revision: snapshot.revision, reads };
        self.revisions.complete(id, Outcome::Ok(outcome));
        Ok(())
    }

    /// Every list at the end.
    async fn read_all(&self, context: &Context) -> Result<BTreeMap<String, Vec<u64>>, Violation> {
        let snapshot = context.surely_scan(self.keys.range("")).await?;
        let parse = |entry: KeyValue| Found::new(self.keys.name(&entry.key).into(), Some(entry));
        let found = snapshot.entries.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(found.into_iter().map(|list| (list.name, list.elements)).collect())
    }
}

impl Found {
    fn new(name: String, entry: Option<KeyValue>) -> Result<Self, Violation> {
        let Some(entry) = entry else { return Ok(Self { name, entry, elements: Vec::new() }) };
        let text = String::from_utf8_lossy(entry.value.as_bytes());
        let elements: Result<Vec<u64>, _> = text.split(' ').map(str::parse).collect();
        let broken = |_| Violation::new("a list holds what was appended", format!("{entry:?}"));
        let elements = elements.map_err(broken)?;
        Ok(Self { name, entry: Some(entry), elements })
    }

    /// Its last element names its last writer.
    fn seen(&self) -> Option<Seen> {
        let (entry, value) = (self.entry.as_ref()?, *self.elements.last()?);
        Some(Seen { key: self.name.clone(), mod_revision: entry.mod_revision, value })
    }
}

fn name(generation: u64, list: u64) -> String {
    format!("{generation:05}-{list}")
}

/// The names of a generation lie in `[start, end)`.
fn bounds(generation: u64) -> (String, String) {
    (format!("{generation:05}-"), format!("{generation:05}."))
}

fn appended(intent: &Intent) -> impl Iterator<Item = ListOp> {
    intent.appends.iter().map(|(name, element)| ListOp::append(name, *element))
}

fn seen(intent: &Intent, found: &[Found]) -> Vec<ListOp> {
    let saw = |list: &Found| ListOp::saw(&list.name, list.elements.clone());
    found.iter().map(saw).chain(appended(intent)).collect()
}

fn reads(found: &[Found]) -> Vec<RangeRead> {
    let read = |list: &Found| {
        let seen = list.seen().map(|seen| (seen.mod_revision, seen.value));
        RangeRead::point(&list.name, seen)
    };
    found.iter().map(read).collect()
}

#[async_trait]
impl Workload for Serializability {
    fn name(&self) -> &'static str {
        "serializability"
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        let mut known = Revision::ZERO;
        while !context.stop.is_set() {
            context.think().await;
            match context.random.one_in(5) {
                true => self.look(&context, known).await?,
                false => known = self.transact(&context).await?.unwrap_or(known),
            }
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        let found = self.read_all(context).await?;
        let history = self.serial.history();
        check_lists(&history, &found)?;
        check_revisions(&self.revisions.history())?;
        check_strictly_serializable(&history)
    }
}
