//! Invariant: single keys are linearizable registers, through reads, batch reads, scans, sets,
//! deletes and compare-and-swap. After Jepsen's `register` tests and Porcupine's key-value model;
//! judged by [`crate::check::check_linearizable`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use aspen_core::{Consistency, KeyValue, OperationResult, ReadRequest, ScanRequest, WriteCommand};
use async_trait::async_trait;

use super::fate::Written;
use super::key_space::{KeySpace, number, text};
use super::runs::Runs;
use super::{Context, Workload};
use crate::check::{Violation, check_linearizable};
use crate::history::{OpId, Outcome, RegisterOp, RegisterResult};

/// How many keys are in use at once: few, so that operations meet.
const REGISTERS: u64 = 3;

/// After so many operations all clients move to fresh keys, since the cost of judging one key grows
/// faster than the number of its operations.
const GENERATION_OPERATIONS: u64 = 180;

/// More values than one run writes; a power of ten, so that people read both parts.
const RUN_VALUES: u64 = 1_000_000;

/// Operations on few keys, written down for the judge.
pub(super) struct Register {
    name: &'static str,
    keys: KeySpace,
    runs: Runs,
    reads: Consistency,
    operations: AtomicU64,
}

/// What one client remembers.
#[derive(Default)]
struct Memory {
    /// Which run of a client this is, counted from 0.
    run: u64,
    /// How many values it has written; together with its run that makes each value unique.
    writes: u64,
    /// What it last saw of each key, so that its compare-and-swaps succeed now and then.
    seen: BTreeMap<String, Option<u64>>,
}

impl Register {
    /// Reads with [`Consistency::Linearizable`].
    pub(super) fn new(before: &str) -> Self {
        Self::with("register", before, Consistency::Linearizable)
    }

    /// Reads with [`Consistency::Lease`], which promises the same while clocks keep their bounds.
    pub(super) fn with_lease_reads(before: &str) -> Self {
        Self::with("lease_register", before, Consistency::Lease)
    }

    fn with(name: &'static str, before: &str, reads: Consistency) -> Self {
        let keys = KeySpace::new(format!("{before}{name}"));
        Self { name, keys, runs: Runs::default(), reads, operations: AtomicU64::new(0) }
    }

    /// The names of the keys that are in use.
    fn names(&self) -> Vec<String> {
        let generation = self.operations.load(Ordering::Relaxed) / GENERATION_OPERATIONS;
        names_of(generation)
    }

    async fn step(&self, context: &Context, memory: &mut Memory) -> Result<(), Violation> {
        let names = self.names();
        let Some(name) = context.random.pick(&names).cloned() else { return Ok(()) };
        self.operations.fetch_add(1, Ordering::Relaxed);
        match context.random.below(12) {
            0..=2 => self.read(context, memory, &[name]).await,
            3 => self.read(context, memory, &names).await,
            4 => self.scan(context, memory, &names).await,
            5..=6 => self.set(context, memory, &[name]).await,
            7 => self.set(context, memory, &names[..2]).await,
            8 => self.delete(context, memory, &name).await,
            _ => self.compare_and_swap(context, memory, &name).await,
        }
    }

    fn invoke(&self, context: &Context, names: &[String], op: RegisterOp) -> Vec<OpId> {
        let invoke =
            |name: &String| context.recorder.invoke(context.client, &self.recorded_name(name), op);
        names.iter().map(invoke).collect()
    }

    /// The key as the history names it: without the NUL byte.
    fn recorded_name(&self, name: &str) -> String {
        self.keys.key(name).to_string().replace("\\x00", "/")
    }

    async fn read(
        &self,
        context: &Context,
        memory: &mut Memory,
        names: &[String],
    ) -> Result<(), Violation> {
        let keys = names.iter().map(|name| self.keys.key(name)).collect();
        let ids = self.invoke(context, names, RegisterOp::Read);
        let reply = context.read(ReadRequest { keys, consistency: self.reads }).await?;
        let values = reply.map(|reply| reply.values);
        self.complete_reads(context, memory, names, ids, values)
    }

    /// Reads all keys of the generation by a scan: what it does not find is absent.
    async fn scan(
        &self,
        context: &Context,
        memory: &mut Memory,
        names: &[String],
    ) -> Result<(), Violation> {
        let generation = names[0].split('-').next().unwrap_or_default();
        let range = self.keys.range(format!("{generation}-"));
        let ids = self.invoke(context, names, RegisterOp::Read);
        let request = ScanRequest { consistency: self.reads, limit: 2, ..ScanRequest::new(range) };
        let snapshot = context.scan(request).await?;
        let values = snapshot.map(|snapshot| {
            let find = |name: &String| {
                let key = self.keys.key(name);
                snapshot.entries.iter().find(|entry| entry.key == key).cloned()
            };
            names.iter().map(find).collect()
        });
        self.complete_reads(context, memory, names, ids, values)
    }

    fn complete_reads(
        &self,
        context: &Context,
        memory: &mut Memory,
        names: &[String],
        ids: Vec<OpId>,
        values: Option<Vec<Option<KeyValue>>>,
    ) -> Result<(), Violation> {
        for (index, id) in ids.into_iter().enumerate() {
            let Some(values) = &values else {
                context.recorder.complete(id, Outcome::Failed);
                continue;
            };
            let value = match &values[index] {
                Some(entry) => Some(parse(entry)?),
                None => None,
            };
            context.recorder.complete(id, Outcome::Ok(RegisterResult::Value(value)));
            memory.seen.insert(names[index].clone(), value);
        }
        Ok(())
    }

    async fn set(
        &self,
        context: &Context,
        memory: &mut Memory,
        names: &[String],
    ) -> Result<(), Violation> {
        let value = memory.next_value();
        let pairs: Vec<_> = names.iter().map(|name| (self.keys.key(name), text(value))).collect();
        let ids = self.invoke(context, names, RegisterOp::Write(value));
        let command = match &pairs[..] {
            [(key, value)] => WriteCommand::Set { key: key.clone(), value: value.clone() },
            _ => WriteCommand::SetMulti { pairs },
        };
        let written = context.write(command).await?;
        ids.into_iter().for_each(|id| context.recorder.complete(id, done(&written)));
        Ok(())
    }

    async fn delete(
        &self,
        context: &Context,
        memory: &mut Memory,
        name: &str,
    ) -> Result<(), Violation> {
        let id =
            context.recorder.invoke(context.client, &self.recorded_name(name), RegisterOp::Delete);
        let written = context.write(WriteCommand::Delete { key: self.keys.key(name) }).await?;
        context.recorder.complete(id, done(&written));
        memory.seen.insert(name.to_owned(), None);
        Ok(())
    }

    async fn compare_and_swap(
        &self,
        context: &Context,
        memory: &mut Memory,
        name: &str,
    ) -> Result<(), Violation> {
        let expected = memory.seen.get(name).copied().flatten();
        let new = memory.next_value();
        let op = RegisterOp::Cas { expected, new };
        let id = context.recorder.invoke(context.client, &self.recorded_name(name), op);
        let (key, value) = (self.keys.key(name), text(new));
        let command = WriteCommand::CompareAndSwap { key, expected: expected.map(text), value };
        let written = context.write(command).await?;
        let outcome = match &written {
            Written::Done(outcome) => Outcome::Ok(RegisterResult::Swapped(outcome.succeeded)),
            Written::Conflict(_) | Written::Failed => Outcome::Failed,
            Written::Unknown => Outcome::Unknown,
        };
        context.recorder.complete(id, outcome);
        let seen = match written {
            Written::Done(outcome) if outcome.succeeded => Some(new),
            Written::Done(outcome) => refused(expected, outcome.results)?,
            _ => return Ok(()),
        };
        memory.seen.insert(name.to_owned(), seen);
        Ok(())
    }

    /// Reads every key that was ever used, for the last time.
    async fn read_all(&self, context: &Context) -> Result<(), Violation> {
        let last = self.operations.load(Ordering::Relaxed) / GENERATION_OPERATIONS;
        for names in (0..=last).map(names_of) {
            let keys = names.iter().map(|name| self.keys.key(name)).collect();
            let ids = self.invoke(context, &names, RegisterOp::Read);
            let consistency = Consistency::Linearizable;
            let reply = context.surely_read(ReadRequest { keys, consistency }).await?;
            let (mut memory, values) = (Memory::default(), Some(reply.values));
            self.complete_reads(context, &mut memory, &names, ids, values)?;
        }
        Ok(())
    }
}

impl Memory {
    fn next_value(&mut self) -> u64 {
        self.writes += 1;
        (self.run + 1) * RUN_VALUES + self.writes
    }
}

fn names_of(generation: u64) -> Vec<String> {
    (0..REGISTERS).map(|index| format!("{generation:05}-{index}")).collect()
}

fn parse(entry: &KeyValue) -> Result<u64, Violation> {
    number(&entry.value).ok_or_else(|| {
        Violation::new("a register holds what was written", format!("found {entry:?}"))
    })
}

/// The outcome of a write that has no condition.
fn done(written: &Written) -> Outcome<RegisterResult> {
    match written {
        Written::Done(_) => Outcome::Ok(RegisterResult::Done),
        Written::Conflict(_) | Written::Failed => Outcome::Failed,
        Written::Unknown => Outcome::Unknown,
    }
}

/// What a compare-and-swap that was refused found instead of what it expected.
fn refused(expected: Option<u64>, results: Vec<OperationResult>) -> Result<Option<u64>, Violation> {
    let broken = |detail| Err(Violation::new("a refused swap found another value", detail));
    let found = match results.into_iter().next() {
        Some(OperationResult::Get(found)) => found.as_ref().map(parse).transpose()?,
        other => return broken(format!("answered with {other:?}")),
    };
    match found == expected {
        true => broken(format!("expected {expected:?} and found it")),
        false => Ok(found),
    }
}

#[async_trait]
impl Workload for Register {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        let mut memory = Memory { run: self.runs.next(), ..Memory::default() };
        while !context.stop.is_set() {
            context.think().await;
            self.step(&context, &mut memory).await?;
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        self.read_all(context).await?;
        check_linearizable(&context.recorder.history())
    }
}
