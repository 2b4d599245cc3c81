//! A store that fails as a cluster may, and that can be told to lie.

use std::sync::Arc;

use aspen_core::{
    Compare, CompareTarget, Consistency, KeyValueStore, LeaseId, MemoryStore, Operation,
    ReadConflict, ReadError, ReadReply, ReadRequest, Reply, Revision, ScanPage, ScanRequest,
    Transaction, TransactionOutcome, WriteCommand, WriteError, WriteFailure,
};
use async_trait::async_trait;
use parking_lot::Mutex;

use super::super::{SeededRandom, Stop};
use super::Lie;

/// Once in how many operations each kind of fault happens.
pub(super) const FAULT_ONE_IN: u64 = 25;

/// Once in how many operations history is compacted, and how many revisions stay readable.
const COMPACTION_ONE_IN: u64 = 100;
const HISTORY_REVISIONS: u64 = 40;

/// A [`MemoryStore`] behind a network: every operation lets others go first, and may fail with what
/// its error says. A lie, if there is one, breaks a promise of the store itself. Faults and lies
/// end with the run.
pub(super) struct FaultyStore {
    state: Mutex<State>,
    random: SeededRandom,
    lie: Option<Lie>,
    stop: Stop,
    operations_max: u64,
}

struct State {
    store: Arc<MemoryStore>,
    /// What the store has run, in order; it can be built again from it.
    log: Vec<Transaction>,
    /// Writes that will happen at some later time.
    late: Vec<Transaction>,
    operations: u64,
    trace: u64,
}

impl FaultyStore {
    /// A store that ends the run after so many operations.
    pub(super) fn new(seed: u64, lie: Option<Lie>, stop: Stop, operations_max: u64) -> Self {
        let (log, late) = (Vec::new(), Vec::new());
        let state = State { store: Arc::default(), log, late, operations: 0, trace: 0 };
        let (state, random) = (Mutex::new(state), SeededRandom::new(seed));
        Self { state, random, lie, stop, operations_max }
    }

    /// How many transactions have run.
    pub(super) fn changes(&self) -> usize {
        self.state.lock().log.len()
    }

    /// A digest of every operation in the order of arrival.
    pub(super) fn trace(&self) -> u64 {
        self.state.lock().trace
    }

    pub(super) fn store(&self) -> Arc<MemoryStore> {
        self.state.lock().store.clone()
    }

    /// An id for a lease, drawn as a leader does.
    pub(super) fn draw_lease(&self) -> LeaseId {
        LeaseId::drawn(self.random.next_u64())
    }

    /// Whether to do now what happens once in `count` times.
    pub(super) fn chance(&self, count: u64) -> bool {
        !self.stop.is_set() && self.random.one_in(count)
    }

    pub(super) fn lies(&self, lie: Lie) -> bool {
        self.lie == Some(lie) && self.chance(lie.one_in())
    }

    pub(super) async fn arrive(&self, operation: &impl std::fmt::Debug) {
        {
            let mut state = self.state.lock();
            let digest = digest_of(&format!("{operation:?}"));
            state.trace = state.trace.rotate_left(1) ^ digest;
            state.operations += 1;
            if state.operations >= self.operations_max {
                self.stop.set();
            }
        }
        self.pass_time().await;
        self.run_late();
        if self.chance(COMPACTION_ONE_IN) {
            let store = self.store();
            let horizon = store.revision().get().saturating_sub(HISTORY_REVISIONS);
            store.compact(Revision::new(horizon)).unwrap();
        }
        if self.lies(Lie::Rollbacks) {
            self.roll_back();
        }
    }

    /// Lets other clients go on.
    pub(super) async fn pass_time(&self) {
        for _ in 0..self.random.below(4) {
            tokio::task::yield_now().await;
        }
    }

    fn run_late(&self) {
        let late = {
            let mut state = self.state.lock();
            match state.late.is_empty() || !self.random.one_in(4) {
                true => return,
                false => state.late.remove(0),
            }
        };
        self.execute(&late);
    }

    fn roll_back(&self) {
        let mut state = self.state.lock();
        let kept = state.log.len().saturating_sub(2);
        state.log.truncate(kept);
        state.store = Arc::new(replay(&state.log));
    }

    fn execute(&self, transaction: &Transaction) -> Reply {
        let mut state = self.state.lock();
        let reply = state.store.execute(transaction);
        state.store.start_lease_clocks();
        if matches!(reply, Reply::Transaction(_)) {
            state.log.push(transaction.clone());
        }
        reply
    }

    /// What the transaction would answer, without running it.
    fn pretend(&self, transaction: &Transaction) -> Reply {
        replay(&self.state.lock().log).execute(transaction)
    }

    async fn run(&self, mut transaction: Transaction) -> Result<TransactionOutcome, WriteError> {
        if self.lies(Lie::LostWrites) {
            return result(self.pretend(&transaction));
        }
        if self.lies(Lie::TornWrites) {
            return self.tear(transaction).await;
        }
        if self.lies(Lie::ForgottenConditions) {
            transaction.compares.clear();
            transaction.read_conflicts.retain(|it| matches!(it, ReadConflict::Range { .. }));
        }
        if self.lies(Lie::ForgottenRanges) {
            transaction.read_conflicts.retain(|it| matches!(it, ReadConflict::Key { .. }));
        }
        if self.lies(Lie::ComparedVersions) {
            self.compare_versions(&mut transaction);
        }
        if self.lies(Lie::ShortDeletes) {
            transaction.success.iter_mut().for_each(|operation| self.shorten(operation));
        }
        let reply = self.execute(&transaction);
        if self.lies(Lie::FalseFailures) {
            return Err(WriteError::not_applied(unavailable()));
        }
        if self.lies(Lie::LateRepeats) {
            self.state.lock().late.push(transaction.clone());
        }
        match self.lies(Lie::RepeatedWrites) {
            true => result(self.execute(&transaction)),
            false => result(reply),
        }
    }

    /// Runs the operations one by one.
    async fn tear(&self, transaction: Transaction) -> Result<TransactionOutcome, WriteError> {
        let mut outcome = result(self.pretend(&transaction))?;
        let operations = match outcome.succeeded {
            true => transaction.success,
            false => transaction.failure,
        };
        for operation in operations {
            self.execute(&Transaction { success: vec![operation], ..Transaction::default() });
            self.pass_time().await;
            self.pass_time().await;
        }
        outcome.revision = self.store().revision();
        Ok(outcome)
    }

    fn compare_versions(&self, transaction: &mut Transaction) {
        let conflicts = std::mem::take(&mut transaction.read_conflicts);
        for conflict in conflicts {
            match conflict {
                ReadConflict::Key { key, expected } => {
                    transaction.compares.push(Compare::mod_revision(key, expected));
                }
                range => transaction.read_conflicts.push(range),
            }
        }
        for compare in &mut transaction.compares {
            if let CompareTarget::ModRevision(revision) = compare.target {
                let past = replay_until(&self.state.lock().log, revision);
                let version = version_of(&past, compare, revision);
                compare.target = CompareTarget::Version(version);
            }
        }
    }

    fn shorten(&self, operation: &mut Operation) {
        if let Operation::DeleteRange { range } = operation {
            let scan = Operation::Scan { range: range.clone(), limit: 10_000 };
            let scan = Transaction { success: vec![scan], ..Transaction::default() };
            if let Reply::Transaction(outcome) = self.store().execute(&scan)
                && let Some(aspen_core::OperationResult::Scan { entries, .. }) =
                    outcome.results.first()
                && let Some(last) = entries.last()
            {
                range.end = Some(last.key.clone().into_bytes());
            }
        }
    }

    /// The revision at which a read is really served.
    fn served_at(&self, consistency: Consistency) -> Consistency {
        let newest = self.store().revision().get();
        let back =
            |revisions| Consistency::AtRevision(Revision::new(newest.saturating_sub(revisions)));
        match consistency {
            Consistency::AtRevision(_) => consistency,
            Consistency::Stale => back(self.random.below(HISTORY_REVISIONS / 2)),
            _ if self.lies(Lie::StaleReads) || self.lies(Lie::FalseRevisions) => {
                back(1 + self.random.below(3))
            }
            _ => consistency,
        }
    }
}

fn replay(log: &[Transaction]) -> MemoryStore {
    replay_until(log, Revision::new(u64::MAX))
}

fn replay_until(log: &[Transaction], revision: Revision) -> MemoryStore {
    let store = MemoryStore::new();
    for transaction in log {
        if store.revision() >= revision {
            break;
        }
        store.execute(transaction);
    }
    store
}

/// The version that the compared key had at the compared revision.
fn version_of(past: &MemoryStore, compare: &Compare, revision: Revision) -> u64 {
    let get = Operation::Get { key: compare.key.clone() };
    let get = Transaction { success: vec![get], ..Transaction::default() };
    let Reply::Transaction(outcome) = past.execute(&get) else { return 0 };
    match outcome.results.into_iter().next() {
        Some(aspen_core::OperationResult::Get(Some(entry))) if revision > Revision::ZERO => {
            entry.version
        }
        _ => 0,
    }
}

#[allow(clippy::result_large_err, reason = "it is the error of the trait")]
fn result(reply: Reply) -> Result<TransactionOutcome, WriteError> {
    match reply {
        Reply::Transaction(outcome) => Ok(outcome),
        Reply::Rejected(rejection) => Err(WriteError::not_applied(rejection)),
        other => panic!("a transaction answered {other:?}"),
    }
}

pub(super) fn unavailable() -> WriteFailure {
    WriteFailure::Unavailable("no quorum".to_owned())
}

fn lost() -> WriteError {
    WriteError::maybe_applied(WriteFailure::Timeout("the answer was lost".to_owned()))
}

/// FNV-1a: a digest that is the same in every process.
fn digest_of(text: &str) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[async_trait]
impl KeyValueStore for FaultyStore {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        self.arrive(&request).await;
        if self.chance(FAULT_ONE_IN) {
            return Err(ReadError::Unavailable("no quorum".to_owned()));
        }
        let (store, consistency) = (self.store(), self.served_at(request.consistency));
        let newest = store.revision();
        let mut reply = store.read(ReadRequest { consistency, ..request.clone() }).await?;
        if self.lie == Some(Lie::FalseRevisions) && consistency != request.consistency {
            reply.revision = newest;
        }
        self.pass_time().await;
        Ok(reply)
    }

    async fn scan(&self, mut request: ScanRequest) -> Result<ScanPage, ReadError> {
        self.arrive(&request).await;
        if self.chance(FAULT_ONE_IN) {
            return Err(ReadError::Unavailable("no quorum".to_owned()));
        }
        let (store, asked) = (self.store(), request.effective_consistency());
        let newest = store.revision();
        let mut named = None;
        match &mut request.cursor {
            Some(cursor) if self.lies(Lie::DriftingPages) => {
                named = Some(std::mem::replace(&mut cursor.revision, newest));
            }
            Some(_) => {}
            None => request.consistency = self.served_at(asked),
        }
        if self.lie == Some(Lie::FalseRevisions) && request.effective_consistency() != asked {
            named = Some(newest);
        }
        let mut page = store.scan(request.clone()).await?;
        if let Some(revision) = named {
            page.revision = revision;
            page.cursor.iter_mut().for_each(|cursor| cursor.revision = revision);
        }
        let skips = request.cursor.is_some() && self.lies(Lie::SkippingCursors);
        if skips && page.entries.len() > 1 {
            page.entries.remove(0);
            page.count -= 1;
        }
        self.pass_time().await;
        Ok(page)
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        self.arrive(&command).await;
        let transaction = command.into_transaction()?;
        if self.chance(FAULT_ONE_IN) {
            return Err(WriteError::not_applied(unavailable()));
        }
        if self.chance(FAULT_ONE_IN) {
            if self.random.one_in(2) {
                self.state.lock().late.push(transaction);
            }
            return Err(lost());
        }
        let result = self.run(transaction).await;
        self.pass_time().await;
        match self.chance(FAULT_ONE_IN) {
            true => Err(lost()),
            false => result,
        }
    }
}
