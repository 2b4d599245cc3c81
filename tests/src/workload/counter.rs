//! Invariant: a retried increment happens once. Clients increment few counters by reading and
//! writing back under a guard; the store's own retries are all that stands between a lost answer
//! and a second increment. A counter shows at any time at least what was acknowledged before it was
//! read and at most what was ever possible; and since nothing else changes it, its version equals
//! its value. After Jepsen's `counter` test and FoundationDB's `Increment` workload.

use aspen_core::{Consistency, Key, KeyValue, Operation, ReadRequest};
use async_trait::async_trait;

use super::guard::Guard;
use super::key_space::{KeySpace, number, text};
use super::tally::Tally;
use super::{Context, Workload};
use crate::check::Violation;

/// How many counters there are: few, so that increments meet.
const COUNTERS: usize = 2;

/// Counters and how often each was incremented.
pub(super) struct Counter {
    keys: KeySpace,
    increments: [Tally; COUNTERS],
}

impl Counter {
    pub(super) fn new(before: &str) -> Self {
        Self { keys: KeySpace::new(format!("{before}counter")), increments: Default::default() }
    }

    fn key(&self, counter: usize) -> Key {
        self.keys.key(counter)
    }

    /// Reads a counter and judges what it shows; `None` when the store could not serve.
    async fn read(
        &self,
        context: &Context,
        counter: usize,
    ) -> Result<Option<Option<KeyValue>>, Violation> {
        let sure = self.increments[counter].applied();
        let reply = context.read(ReadRequest::one(self.key(counter))).await?;
        let Some(entry) = reply.map(|mut reply| reply.values.pop().flatten()) else {
            return Ok(None);
        };
        self.judge(counter, sure, entry.as_ref())?;
        Ok(Some(entry))
    }

    /// Judges what a counter shows, given how many increments were sure before it was read.
    fn judge(&self, counter: usize, sure: u64, entry: Option<&KeyValue>) -> Result<(), Violation> {
        let value = entry.map_or(Ok(0), value_of)?;
        self.increments[counter].check(&format!("counter {counter}"), sure, value)?;
        match entry {
            Some(entry) if entry.version != value => {
                let detail = format!("every change is an increment by one, but found {entry:?}");
                Err(Violation::new("a counter's version is its value", detail))
            }
            _ => Ok(()),
        }
    }

    async fn increment(&self, context: &Context, counter: usize) -> Result<(), Violation> {
        let Some(entry) = self.read(context, counter).await? else { return Ok(()) };
        let next = entry.as_ref().map_or(Ok(0), value_of)? + 1;
        let operations = vec![Operation::put(self.key(counter), text(next))];
        let reads = [(self.key(counter), entry)];
        let command = Guard::pick(&context.random).command(&reads, operations);
        self.increments[counter].begin();
        self.increments[counter].settle(context.write(command).await?.fate());
        Ok(())
    }
}

fn value_of(entry: &KeyValue) -> Result<u64, Violation> {
    number(&entry.value)
        .ok_or_else(|| Violation::new("a counter holds a number", format!("found {entry:?}")))
}

#[async_trait]
impl Workload for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        while !context.stop.is_set() {
            context.think().await;
            let counter = usize::try_from(context.random.below(COUNTERS as u64)).unwrap_or(0);
            match context.random.one_in(4) {
                true => drop(self.read(&context, counter).await?),
                false => self.increment(&context, counter).await?,
            }
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        let sure: Vec<_> = self.increments.iter().map(Tally::applied).collect();
        let keys = (0..COUNTERS).map(|counter| self.key(counter)).collect();
        let consistency = Consistency::Linearizable;
        let reply = context.surely_read(ReadRequest { keys, consistency }).await?;
        for (counter, entry) in reply.values.iter().enumerate() {
            self.judge(counter, sure[counter], entry.as_ref())?;
        }
        Ok(())
    }
}
