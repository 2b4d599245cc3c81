//! Invariant: a blind write happens once. Unlike an increment that is guarded by what was read,
//! these writes would happily happen again when a retry is taken for a new write:
//!
//! * a plain set, which raises its key's version each time;
//! * an entry that is created if absent, and otherwise leaves a mark that it was there already.
//!
//! After FoundationDB's `AtomicOps` and `CommitBug` workloads: the number of changes equals the
//! number of acknowledged ones, plus at most the unknown ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aspen_core::{Compare, Key, Operation, ReadRequest, Transaction, WriteCommand};
use async_trait::async_trait;
use parking_lot::Mutex;

use super::fate::Written;
use super::key_space::{KeySpace, text};
use super::ledger::Ledger;
use super::runs::Runs;
use super::tally::Tally;
use super::{Context, Workload};
use crate::check::Violation;
use crate::history::ClientId;

/// Entries that were appended, and how often each client has set its key.
pub(super) struct AppendOnce {
    keys: KeySpace,
    runs: Runs,
    entries: Ledger,
    sets: Mutex<BTreeMap<ClientId, Arc<Tally>>>,
}

impl AppendOnce {
    pub(super) fn new(before: &str) -> Self {
        let keys = KeySpace::new(format!("{before}append_once"));
        Self { keys, runs: Runs::default(), entries: Ledger::default(), sets: Mutex::default() }
    }

    fn set_key(&self, client: ClientId) -> Key {
        self.keys.key(format_args!("set/{:04}", client.0))
    }

    fn tally(&self, client: ClientId) -> Arc<Tally> {
        self.sets.lock().entry(client).or_default().clone()
    }

    /// Sets the client's key, whatever it holds.
    async fn set(&self, context: &Context) -> Result<(), Violation> {
        let tally = self.tally(context.client);
        let (key, value) = (self.set_key(context.client), text(context.random.next_u64()));
        tally.begin();
        tally.settle(context.write(WriteCommand::Set { key, value }).await?.fate());
        Ok(())
    }

    /// Looks how often the client's key was set.
    async fn count(&self, context: &Context, client: ClientId) -> Result<(), Violation> {
        let tally = self.tally(client);
        let sure = tally.applied();
        let reply = context.read(ReadRequest::one(self.set_key(client))).await?;
        let Some(mut reply) = reply else { return Ok(()) };
        let version = reply.values.pop().flatten().map_or(0, |entry| entry.version);
        tally.check(&format!("sets of {client}"), sure, version)
    }

    /// Creates an entry, or leaves a mark that it was there already.
    async fn append(&self, context: &Context, name: &str) -> Result<(), Violation> {
        let entry = self.keys.key(format_args!("entry/{name}"));
        let mark = self.keys.key(format_args!("mark/{name}"));
        let transaction = Transaction {
            compares: vec![Compare::absent(entry.clone())],
            success: vec![Operation::put(entry, text(context.client))],
            failure: vec![Operation::put(mark, text(context.client))],
            ..Transaction::default()
        };
        self.entries.begin(name);
        let written = context.write(WriteCommand::Transaction(transaction)).await?;
        if let Written::Done(outcome) = &written
            && !outcome.succeeded
        {
            return Err(repeated(&format!("{name} was there at its first append")));
        }
        self.entries.settle(name, written.fate());
        Ok(())
    }
}

fn repeated(detail: &str) -> Violation {
    Violation::new("a write happens at most once", detail)
}

#[async_trait]
impl Workload for AppendOnce {
    fn name(&self) -> &'static str {
        "append_once"
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        let (run, mut appends) = (self.runs.next(), 0);
        while !context.stop.is_set() {
            context.think().await;
            match context.random.below(5) {
                0..=1 => self.set(&context).await?,
                2 => {
                    let client = ClientId(context.random.below(context.clients));
                    self.count(&context, client).await?;
                }
                _ => {
                    appends += 1;
                    let name = format!("{run:04}-{appends:07}");
                    self.append(&context, &name).await?;
                }
            }
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        let sure: Vec<_> = {
            let sets = self.sets.lock();
            sets.iter().map(|(client, tally)| (*client, tally.clone(), tally.applied())).collect()
        };
        let snapshot = context.surely_scan(self.keys.range("")).await?;
        let mut entries = BTreeSet::new();
        for found in &snapshot.entries {
            match self.keys.name(&found.key).split_once('/') {
                Some(("entry", name)) => drop(entries.insert(name.to_owned())),
                Some(("mark", name)) => return Err(repeated(&format!("{name} ran twice"))),
                _ => {}
            }
        }
        self.entries.check(&entries)?;
        for (client, tally, sure) in sure {
            let key = self.set_key(client);
            let found = snapshot.entries.iter().find(|entry| entry.key == key);
            let version = found.map_or(0, |entry| entry.version);
            tally.check(&format!("sets of {client}"), sure, version)?;
        }
        Ok(())
    }
}
