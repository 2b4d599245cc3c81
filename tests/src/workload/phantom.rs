//! Invariant: a range that was read as empty is still empty when the transaction commits. Clients
//! claim slots: whoever scans a slot and finds nothing inserts a key of its own name, guarded by a
//! read conflict on the slot's range. Two claims write different keys, so only the range conflict
//! keeps them apart: a slot with two keys shows a phantom. After the predicate anomalies (G2) of
//! Adya's thesis and Jepsen's `adya` tests.

use aspen_core::{Consistency, KeyRange, KeyValue, Operation, Revision, WriteCommand};
use async_trait::async_trait;

use super::key_space::{KeySpace, text};
use super::ledger::Ledger;
use super::runs::Runs;
use super::snapshot::Snapshot;
use super::{Context, Workload};
use crate::check::Violation;

/// How many slots there are: few, so that claims meet.
const SLOTS: u64 = 2;

/// Slots, and what became of each claim.
pub(super) struct Phantom {
    keys: KeySpace,
    runs: Runs,
    claims: Ledger,
}

impl Phantom {
    pub(super) fn new(before: &str) -> Self {
        let keys = KeySpace::new(format!("{before}phantom"));
        Self { keys, runs: Runs::default(), claims: Ledger::default() }
    }

    fn slot(&self, slot: u64) -> KeyRange {
        self.keys.range(format_args!("slot/{slot}/"))
    }

    /// Claims the slot if it is empty; otherwise frees it, now and then.
    async fn visit(&self, context: &Context, slot: u64, name: &str) -> Result<(), Violation> {
        let range = self.slot(slot);
        let seen = context.observe(&range, Consistency::Linearizable).await?;
        let Some(seen) = seen else { return Ok(()) };
        self.judge(&seen)?;
        match seen.entries.into_iter().next() {
            Some(holder) if context.random.one_in(2) => self.free(context, holder).await,
            Some(_) => Ok(()),
            None => {
                context.think().await;
                self.claim(context, slot, name, seen.revision).await
            }
        }
    }

    /// Inserts a key of its own and a record, if the slot is as empty as at `revision`.
    async fn claim(
        &self,
        context: &Context,
        slot: u64,
        name: &str,
        revision: Revision,
    ) -> Result<(), Violation> {
        let key = self.keys.key(format_args!("slot/{slot}/{name}"));
        let record = self.keys.key(format_args!("claim/{name}"));
        let command = WriteCommand::OptimisticTransaction {
            reads: Vec::new(),
            range_reads: vec![(self.slot(slot), revision)],
            operations: vec![Operation::put(key, text(name)), Operation::put(record, text(slot))],
        };
        self.claims.begin(name);
        self.claims.settle(name, context.write(command).await?.fate());
        Ok(())
    }

    /// Removes the one claim that was seen, and no other.
    async fn free(&self, context: &Context, holder: KeyValue) -> Result<(), Violation> {
        let (key, expected) = (holder.key, holder.value);
        context.write(WriteCommand::CompareAndDelete { key, expected }).await.map(drop)
    }

    fn judge(&self, slot: &Snapshot) -> Result<(), Violation> {
        match slot.entries.len() {
            0 | 1 => Ok(()),
            _ => {
                let detail = format!("revision {}: {:?}", slot.revision, slot.entries);
                Err(Violation::new("a range that was read as empty stays so until commit", detail))
            }
        }
    }

    async fn look(
        &self,
        context: &Context,
        slot: u64,
        known: Revision,
    ) -> Result<Revision, Violation> {
        let consistency = context.any_consistency(known);
        let Some(seen) = context.observe(&self.slot(slot), consistency).await? else {
            return Ok(known);
        };
        self.judge(&seen)?;
        Ok(seen.revision)
    }
}

#[async_trait]
impl Workload for Phantom {
    fn name(&self) -> &'static str {
        "phantom"
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        let (run, mut known, mut claims) = (self.runs.next(), Revision::ZERO, 0);
        while !context.stop.is_set() {
            context.think().await;
            let slot = context.random.below(SLOTS);
            if context.random.one_in(5) {
                known = self.look(&context, slot, known).await?;
                continue;
            }
            claims += 1;
            let name = format!("{run:04}-{claims:07}");
            self.visit(&context, slot, &name).await?;
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        for slot in 0..SLOTS {
            self.judge(&context.surely_scan(self.slot(slot)).await?)?;
        }
        let records = context.surely_scan(self.keys.range("claim/")).await?;
        let name =
            |entry: &KeyValue| self.keys.name(&entry.key).trim_start_matches("claim/").to_owned();
        self.claims.check(&records.entries.iter().map(name).collect())
    }
}
