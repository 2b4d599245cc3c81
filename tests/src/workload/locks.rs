//! Invariant: a lock is held by one client at a time, as far as each surely holds it; its tokens
//! are given once and grow from holder to holder; and a register that compares tokens takes no
//! write with an older token after one with a newer, however long its writer was paused.
//!
//! Each client takes the lock, with a lease that is short beside outages, and writes its token to
//! the register, sometimes after a pause that outlives the lease. A client that pauses does not
//! keep its lease alive, and does not look again whether it holds the lock before it writes. After
//! the faults nobody may be left in line, and the lock can be had.

mod pausing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{ErrorKind, Key, Operation, ReadRequest, Revision};
use aspen_layers::coordination::{CoordinationError, Coordinator, FencingToken, Guard, Lock};
use aspen_txn::TransactionError;
use async_trait::async_trait;
use parking_lot::Mutex;

use self::pausing::PausingLeases;
use super::fate::{Fate, Written};
use super::guard::Guard as Condition;
use super::key_space::{KeySpace, number, text};
use super::{Context, Workload};
use crate::check::Violation;

/// How many milliseconds leases get; the shortest that there are, so that many end.
const TTL_MS: std::ops::Range<u64> = 1_000..3_000;

/// How long a client stands in line at most, in milliseconds.
const LINE_MS: u64 = 6_000;

/// How long leases that nobody keeps alive may stay when nothing is wrong: their TTL, and some
/// failovers that give it to them anew.
const END_PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The lock and the register that it guards.
pub(super) struct Locks {
    keys: KeySpace,
    partition: String,
    seen: Mutex<Seen>,
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    granted: BTreeSet<FencingToken>,
    /// Who has the lock and has not begun to release it.
    holders: BTreeMap<FencingToken, Holder>,
    /// Acknowledged writes to the register.
    accepted: Vec<(Revision, FencingToken)>,
}

/// A client that has the lock.
#[derive(Clone)]
struct Holder {
    guard: Arc<Guard>,
    ttl: Duration,
}

impl Holder {
    /// Whether it surely holds the lock. Clocks of nodes run up to 30 % too fast in simulation
    /// (`sim/nemesis/draw.rs`), and 1 / 1.3 > 3 / 4.
    fn is_sure(&self) -> bool {
        self.guard.remaining() > self.ttl / 4
    }
}

impl Seen {
    /// Notes that a client was given the lock.
    fn grant(&mut self, holder: &Holder) -> Result<(), Violation> {
        let token = holder.guard.token();
        let highest = self.granted.last().copied();
        if !self.granted.insert(token) {
            return Err(Violation::new("a token is given once", format!("{token} again")));
        }
        if holder.is_sure() {
            if let Some(highest) = highest.filter(|highest| *highest > token) {
                let detail = format!("{token} was given after {highest}");
                return Err(Violation::new("tokens grow from holder to holder", detail));
            }
            self.must_be_alone(token)?;
        }
        self.holders.insert(token, holder.clone());
        Ok(())
    }

    /// One surely holds the lock, so nobody else does.
    fn must_be_alone(&self, token: FencingToken) -> Result<(), Violation> {
        let other = self.holders.iter().find(|(other, held)| **other != token && held.is_sure());
        match other {
            None => Ok(()),
            Some((other, _)) => {
                let detail = format!("{other} and {token} both surely hold it");
                Err(Violation::new("a lock is held by one at a time", detail))
            }
        }
    }

    /// Judges the writes that the register took: in the order in which it did, tokens never fall.
    fn check_writes(&mut self, last: Option<FencingToken>) -> Result<(), Violation> {
        self.accepted.sort_unstable();
        let mut tokens: Vec<_> = self.accepted.iter().map(|(_, token)| *token).collect();
        // The last value may be of a write whose outcome nobody knew.
        tokens.extend(last);
        match tokens.windows(2).find(|pair| pair[1] < pair[0]) {
            _ if last.is_none() && !tokens.is_empty() => {
                let detail = format!("{} acknowledged, none is there", tokens.len());
                Err(Violation::new("acknowledged writes stay", detail))
            }
            Some(pair) => {
                let detail = format!("{} was accepted after {}", pair[1], pair[0]);
                Err(Violation::new("no older token is accepted after a newer one", detail))
            }
            None => Ok(()),
        }
    }
}

impl Locks {
    pub(super) fn new(before: &str) -> Self {
        let partition = format!("{before}locks");
        Self { keys: KeySpace::new(partition.clone()), partition, seen: Mutex::default() }
    }

    fn register(&self) -> Key {
        self.keys.key("register")
    }

    fn lock(&self, context: &Context, leases: Arc<PausingLeases>, ttl: Duration) -> Lock {
        let (store, watch) = (context.store.clone(), context.watch.clone());
        let coordinator = Coordinator::over(store, watch, leases);
        let prefixed = coordinator.with_prefix(format!("{}\0", self.partition).into_bytes());
        let lock = prefixed.and_then(|it| it.with_ttl(ttl)).and_then(|it| it.lock("l"));
        lock.expect("prefix, TTL and name are in range")
    }

    /// Takes the lock, uses it and gives it up.
    async fn hold(&self, context: &Context) -> Result<(), Violation> {
        let ttl_ms = TTL_MS.start + context.random.below(TTL_MS.end - TTL_MS.start);
        let ttl = Duration::from_millis(ttl_ms);
        let leases = Arc::new(PausingLeases::new(context.leases.clone()));
        let lock = self.lock(context, leases.clone(), ttl);
        let taken = match context.random.below(3) {
            0 => patiently(context, lock.try_lock()).await,
            _ => {
                let patience = Duration::from_millis(context.random.below(LINE_MS));
                lock.lock_within(patience).await.map(Some)
            }
        };
        let Some(guard) = served(taken)?.flatten() else { return Ok(()) };
        let holder = Holder { guard: Arc::new(guard), ttl };
        self.seen.lock().grant(&holder)?;
        for _ in 0..context.random.below(4) {
            self.write(context, &holder, &leases).await?;
            context.think().await;
        }
        let token = holder.guard.token();
        drop(holder);
        let released = self.seen.lock().holders.remove(&token).map(|held| held.guard);
        match released.and_then(Arc::into_inner).filter(|_| !context.random.one_in(4)) {
            Some(guard) => served(patiently(context, guard.release()).await).map(drop),
            // Dropped, it is released in the background.
            None => Ok(()),
        }
    }

    /// Writes the token to the register, which takes none that is older than the one it has.
    async fn write(
        &self,
        context: &Context,
        holder: &Holder,
        leases: &PausingLeases,
    ) -> Result<(), Violation> {
        let (key, token) = (self.register(), holder.guard.token());
        let pause = (holder.ttl * 3 / 2).mul_f64(context.random.below(100) as f64 / 100.0);
        if context.random.one_in(6) {
            leases.pause(pause).await;
        }
        let Some(reply) = context.read(ReadRequest::one(key.clone())).await? else { return Ok(()) };
        let found = reply.values.into_iter().next().flatten();
        let newest = found.as_ref().and_then(|entry| number(&entry.value)).unwrap_or(0);
        if newest > token.get() {
            return match holder.is_sure() {
                true => {
                    let detail = format!("{token} surely holds it, and {newest} has written");
                    Err(Violation::new("a lock is held by one at a time", detail))
                }
                false => Ok(()),
            };
        }
        if context.random.one_in(6) {
            leases.pause(pause).await;
        }
        let put = Operation::put(key.clone(), text(token.get()));
        let command = Condition::pick(&context.random).command(&[(key, found)], vec![put]);
        if let Fate::Applied(revision) = context.write(command).await?.fate() {
            self.seen.lock().accepted.push((revision, token));
        }
        Ok(())
    }

    /// Takes the lock, which nobody has, and releases it; nothing goes on afterwards.
    async fn take_free(&self, context: &Context) -> Result<(), Violation> {
        let (leases, ttl) = (PausingLeases::new(context.leases.clone()), Duration::from_secs(10));
        let lock = self.lock(context, Arc::new(leases), ttl);
        let guard = lock.lock_within(END_PATIENCE).await.map_err(|error| {
            Violation::new("a cluster without faults gives a free lock", error.to_string())
        })?;
        let holder = Holder { guard: Arc::new(guard), ttl };
        self.seen.lock().grant(&holder)?;
        let Seen { holders, .. } = std::mem::take(&mut *self.seen.lock());
        drop(holders);
        if let Some(guard) = Arc::into_inner(holder.guard) {
            served(patiently(context, guard.release()).await)?;
        }
        self.wait_until_free(context).await
    }

    /// Waits until nobody is left in line.
    async fn wait_until_free(&self, context: &Context) -> Result<(), Violation> {
        let until: Instant = runtime::now() + END_PATIENCE;
        loop {
            let left = context.surely_scan(self.keys.range("lock/")).await?;
            let Some(entry) = left.entries.first() else { return Ok(()) };
            if runtime::now() > until {
                let detail = format!("of {} keys one is {entry:?}", left.entries.len());
                return Err(Violation::new("nobody stays in line for ever", detail));
            }
            runtime::sleep(LOOK_EVERY).await;
        }
    }
}

/// Waits for an answer, and not for ever.
async fn patiently<T>(
    context: &Context,
    answer: impl Future<Output = Result<T, CoordinationError>>,
) -> Result<T, CoordinationError> {
    context.patiently(answer).await.unwrap_or(Err(CoordinationError::DeadlinePassed))
}

/// What came of an operation; `None` for a failure that faults explain.
fn served<T>(result: Result<T, CoordinationError>) -> Result<Option<T>, Violation> {
    let error = match result {
        Ok(value) => return Ok(Some(value)),
        Err(error) => error,
    };
    let is_wrong = matches!(
        &error,
        CoordinationError::Invalid(_)
            | CoordinationError::Full { .. }
            | CoordinationError::Transaction(TransactionError::Invalid(_))
    );
    if is_wrong || error.kind() == ErrorKind::Bug {
        return Err(Violation::new("well-formed requests are served", error.to_string()));
    }
    if let CoordinationError::Write(error) = error {
        Written::from_error(error)?;
    }
    Ok(None)
}

#[async_trait]
impl Workload for Locks {
    fn name(&self) -> &'static str {
        "locks"
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        while !context.stop.is_set() {
            context.think().await;
            self.hold(&context).await?;
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        // Those that were stopped in the midst of it hold it no longer than their leases.
        let left = std::mem::take(&mut self.seen.lock().holders);
        drop(left);
        self.wait_until_free(context).await?;
        let register = context.surely_read(ReadRequest::one(self.register())).await?;
        let last = register.values.into_iter().next().flatten();
        let last = last.and_then(|entry| number(&entry.value)).map(Revision::new);
        self.seen.lock().check_writes(last.map(FencingToken::new))?;
        self.take_free(context).await
    }
}
