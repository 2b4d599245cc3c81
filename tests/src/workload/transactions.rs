//! Invariant: transactions of `aspen-txn` are serializable and happen at most once. Transfers
//! between accounts keep the sum that every audit sees; each transfer also counts itself by an
//! atomic add and leaves a versionstamped line in a journal, so that counter, journal and what was
//! acknowledged must agree: a line for every acknowledged transfer at its own revision, and no line
//! but for transfers that were acknowledged or whose outcome nobody knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aspen_core::{
    AtomicOperation, Key, KeyRange, KeyValueStore, Operation, Revision, StampPosition,
    VERSIONSTAMP_BYTES, Value, Versionstamp, WriteCommand, runtime,
};
use aspen_txn::{Database, RunOptions, Transaction, TransactionError};
use async_trait::async_trait;
use parking_lot::Mutex;

use super::key_space::{KeySpace, number, text};
use super::{Context, Workload};
use crate::check::Violation;

/// How many accounts there are, and what each begins with.
const ACCOUNTS: u64 = 6;
const BALANCE: u64 = 100;

/// How long one transaction with its retries may take, in milliseconds.
const RUN_TIMEOUT_MS: u64 = 8_000;

/// How long a client waits for a run before it leaves it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The accounts, the counter and the journal.
pub(super) struct Transactions {
    keys: KeySpace,
    /// Revisions of acknowledged transfers.
    acknowledged: Mutex<Vec<Revision>>,
    /// How many transfers may have happened without an answer.
    unknown: AtomicU64,
}

/// A transfer that is not made.
enum NoTransfer {
    TooLittle,
    Failed(TransactionError),
}

impl From<TransactionError> for NoTransfer {
    fn from(error: TransactionError) -> Self {
        Self::Failed(error)
    }
}

impl Transactions {
    pub(super) fn new(before: &str) -> Self {
        let keys = KeySpace::new(format!("{before}transactions"));
        Self { keys, acknowledged: Mutex::default(), unknown: AtomicU64::new(0) }
    }

    fn account(&self, number: u64) -> Key {
        self.keys.key(format!("account/{number}"))
    }

    fn database(&self, store: &Arc<dyn KeyValueStore>) -> Database {
        let options = RunOptions { timeout_ms: RUN_TIMEOUT_MS, ..RunOptions::default() };
        Database::new(store.clone()).with_options(options).expect("the options are in range")
    }

    /// Moves some of one account to another.
    async fn transfer(&self, context: &Context) -> Result<(), Violation> {
        let (from, to) = (context.random.below(ACCOUNTS), context.random.below(ACCOUNTS));
        let amount = 1 + context.random.below(BALANCE / 2);
        let database = self.database(&context.store);
        let run = database.run_committed(|tx| self.move_money(tx, from, to, amount));
        match runtime::timeout(PATIENCE, run).await {
            Ok(Ok(done)) => self.acknowledged.lock().extend(done.revision),
            Ok(Err(NoTransfer::TooLittle)) => {}
            Ok(Err(NoTransfer::Failed(error))) => self.failed(&error)?,
            // It may have been sent.
            Err(_) => drop(self.unknown.fetch_add(1, Ordering::SeqCst)),
        }
        Ok(())
    }

    async fn move_money(
        &self,
        tx: Transaction,
        from: u64,
        to: u64,
        amount: u64,
    ) -> Result<(), NoTransfer> {
        let balance = |found: Option<Value>| found.as_ref().and_then(number).unwrap_or(0);
        let source = balance(tx.get(&self.account(from)).await?);
        let rest = source.checked_sub(amount).ok_or(NoTransfer::TooLittle)?;
        tx.set(self.account(from), text(rest))?;
        // With one account for both, this read sees the write above.
        let target = balance(tx.get(&self.account(to)).await?);
        tx.set(self.account(to), text(target + amount))?;
        let one = Value::new(1_u64.to_le_bytes().to_vec()).expect("eight bytes");
        tx.atomic(self.keys.key("count"), AtomicOperation::Add(one))?;
        let prefix = self.keys.key("journal/");
        let offset = u32::try_from(prefix.as_bytes().len()).expect("keys are short");
        let line = [prefix.as_bytes(), &Versionstamp::PLACEHOLDER[..]].concat();
        let line = Key::new(line).expect("keys are short");
        tx.set_versionstamped(line, text(amount), StampPosition::Key(offset))?;
        Ok(())
    }

    /// What a run's error says of its transfer.
    fn failed(&self, error: &TransactionError) -> Result<(), Violation> {
        if error.may_have_committed() {
            self.unknown.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        match error {
            TransactionError::Invalid(_)
            | TransactionError::Unreadable { .. }
            | TransactionError::Finished => {
                Err(Violation::new("well-formed transactions run", error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Reads all accounts in a transaction, or from a snapshot: the sum is always the same.
    async fn audit(&self, context: &Context) -> Result<(), Violation> {
        let database = self.database(&context.store);
        let range = self.keys.range("account/");
        let read = async {
            match context.random.one_in(2) {
                true => {
                    let body = |tx: Transaction| {
                        let range = range.clone();
                        async move { tx.get_range(range).await }
                    };
                    let page = database.run(body).await?;
                    Ok(page.entries.into_iter().map(|(_, value)| value).collect::<Vec<_>>())
                }
                false => {
                    let keys: Vec<Key> = (0..ACCOUNTS).map(|it| self.account(it)).collect();
                    let values = database.snapshot().await?.get_many(&keys).await?;
                    let values = values.into_iter().flatten().map(|entry| entry.value);
                    Ok::<_, TransactionError>(values.collect())
                }
            }
        };
        match runtime::timeout(PATIENCE, read).await {
            Ok(Ok(values)) => check_sum(&values),
            Ok(Err(error)) => match error.kind() {
                aspen_core::ErrorKind::Invalid | aspen_core::ErrorKind::Bug => {
                    Err(Violation::new("well-formed transactions run", error.to_string()))
                }
                _ => Ok(()),
            },
            Err(_) => Ok(()),
        }
    }

    /// Compares journal, counter and what was acknowledged.
    fn check_journal(&self, journal: &[(Revision, Revision)], count: u64) -> Result<(), Violation> {
        let wrong = |what: &str, detail: String| Err(Violation::new(what, detail));
        if let Some(line) = journal.iter().find(|(stamp, modified)| stamp != modified) {
            return wrong("a stamp names its transaction's revision", format!("{line:?}"));
        }
        let lines = journal.len() as u64;
        if lines != count {
            return wrong("a transaction happens as a whole", format!("{lines} lines, {count}"));
        }
        let acknowledged = self.acknowledged.lock();
        let missing =
            acknowledged.iter().find(|revision| !journal.iter().any(|line| line.0 == **revision));
        if let Some(revision) = missing {
            return wrong("what was acknowledged has happened", format!("nothing at {revision}"));
        }
        let most = acknowledged.len() as u64 + self.unknown.load(Ordering::SeqCst);
        if lines > most {
            let detail = format!("{lines} transfers, {most} at most");
            return wrong("a transaction happens at most once", detail);
        }
        Ok(())
    }
}

fn check_sum(values: &[Value]) -> Result<(), Violation> {
    let sum: u64 = values.iter().filter_map(number).sum();
    if sum == ACCOUNTS * BALANCE {
        return Ok(());
    }
    let detail = format!("{sum} of {}: {values:?}", ACCOUNTS * BALANCE);
    Err(Violation::new("transfers keep the sum", detail))
}

#[async_trait]
impl Workload for Transactions {
    fn name(&self) -> &'static str {
        "transactions"
    }

    async fn prepare(&self, context: &Context) -> Result<(), Violation> {
        let open = |number| Operation::put(self.account(number), text(BALANCE));
        let operations = (0..ACCOUNTS).map(open).collect();
        let conditions = vec![aspen_core::Compare::absent(self.account(0))];
        let command = WriteCommand::ConditionalBatch { conditions, operations };
        context.surely_write(command).await.map(drop)
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        while !context.stop.is_set() {
            context.think().await;
            match context.random.below(4) {
                0 => self.audit(&context).await?,
                _ => self.transfer(&context).await?,
            }
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        let everything: KeyRange = self.keys.range("");
        let found = context.surely_scan(everything).await?;
        let (mut journal, mut accounts, mut count) = (Vec::new(), Vec::new(), 0);
        for entry in found.entries {
            let name = entry.key.as_bytes();
            if self.keys.range("account/").contains(name) {
                accounts.push(entry.value);
            } else if self.keys.range("journal/").contains(name) {
                let stamp = name[name.len() - VERSIONSTAMP_BYTES..].try_into();
                let stamp: [u8; VERSIONSTAMP_BYTES] = stamp.expect("the slice is as long");
                journal.push((Versionstamp::from_bytes(stamp).revision(), entry.mod_revision));
            } else {
                let bytes = entry.value.as_bytes().try_into().unwrap_or_default();
                count = u64::from_le_bytes(bytes);
            }
        }
        check_sum(&accounts)?;
        self.check_journal(&journal, count)
    }
}
