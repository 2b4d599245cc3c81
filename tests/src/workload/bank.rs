//! Invariant: money is neither made nor lost. Transfers move it between accounts by transactions
//! that are guarded by what they read; every read of all accounts at one revision sums to the same
//! total, and no balance is negative. After Jepsen's `bank` test. Each transfer also leaves a
//! record, as in TigerBeetle's ledgers: acknowledged ones must be there, failed ones must not, and
//! the balances must follow from the records.
//!
//! An account without money is deleted, and comes back as a new key at version 1: a guard that
//! compared versions instead of revisions would mistake it for the one it read.

use std::collections::{BTreeMap, BTreeSet};

use aspen_core::{
    Compare, Consistency, Key, KeyRange, KeyValue, Operation, OperationResult, ReadRequest,
    Revision, Transaction, WriteCommand,
};
use async_trait::async_trait;

use super::fate::Written;
use super::guard::Guard;
use super::key_space::{KeySpace, number, text};
use super::ledger::Ledger;
use super::runs::Runs;
use super::snapshot::Snapshot;
use super::{Context, Workload};
use crate::check::Violation;

/// How many accounts there are: few, so that transfers meet.
const ACCOUNTS: u64 = 4;

/// What each account begins with.
const OPENING_BALANCE: u64 = 30;

/// The name of the key that says that the accounts were opened; it sorts among them, so that one
/// scan reads both.
const OPENED: &str = "account/opened";

/// Accounts, and what became of each transfer.
pub(super) struct Bank {
    keys: KeySpace,
    runs: Runs,
    transfers: Ledger,
}

impl Bank {
    pub(super) fn new(before: &str) -> Self {
        let keys = KeySpace::new(format!("{before}bank"));
        Self { keys, runs: Runs::default(), transfers: Ledger::default() }
    }

    fn account(&self, account: u64) -> Key {
        self.keys.key(format_args!("account/{account}"))
    }

    fn accounts(&self) -> KeyRange {
        self.keys.range("account/")
    }

    /// The keys of all accounts, and the one that says that they were opened.
    fn account_keys(&self) -> Vec<Key> {
        let accounts = (0..ACCOUNTS).map(|account| self.account(account));
        accounts.chain([self.keys.key(OPENED)]).collect()
    }

    /// Moves money between two accounts, when there is enough.
    async fn transfer(&self, context: &Context, name: &str) -> Result<(), Violation> {
        let from = context.random.below(ACCOUNTS);
        let to = (from + 1 + context.random.below(ACCOUNTS - 1)) % ACCOUNTS;
        let keys = vec![self.account(from), self.account(to)];
        let consistency = Consistency::Linearizable;
        let request = ReadRequest { keys: keys.clone(), consistency };
        let Some(reply) = context.read(request).await? else { return Ok(()) };
        let reads: Vec<_> = keys.into_iter().zip(reply.values).collect();
        let (rich, poor) = (balance(&reads[0].1)?, balance(&reads[1].1)?);
        if rich == 0 {
            return Ok(());
        }
        // Often all of it, so that accounts come and go; the pauses let others do so meanwhile.
        let amount = match context.random.one_in(2) {
            true => rich,
            false => 1 + context.random.below(rich),
        };
        for _ in 0..context.random.below(3) {
            context.think().await;
        }
        let operations = vec![
            set_balance(&reads[0].0, rich - amount),
            set_balance(&reads[1].0, poor + amount),
            Operation::put(self.keys.key(name), text(format_args!("{from} {to} {amount}"))),
        ];
        let command = Guard::pick(&context.random).command(&reads, operations);
        self.transfers.begin(name);
        self.transfers.settle(name, context.write(command).await?.fate());
        Ok(())
    }

    /// Reads all accounts at one revision, in one of several ways; answers the revision.
    async fn audit(&self, context: &Context, known: Revision) -> Result<Revision, Violation> {
        let consistency = context.any_consistency(known);
        let snapshot = match context.random.below(3) {
            0 => {
                let keys = self.account_keys();
                context.read_present(ReadRequest { keys, consistency }).await?
            }
            1 => self.read_in_transaction(context).await?,
            _ => context.observe(&self.accounts(), consistency).await?,
        };
        let Some(snapshot) = snapshot else { return Ok(known) };
        if snapshot.entries.is_empty() && consistency == Consistency::Stale {
            return Ok(known);
        }
        self.balances(&snapshot)?;
        Ok(snapshot.revision)
    }

    async fn read_in_transaction(&self, context: &Context) -> Result<Option<Snapshot>, Violation> {
        let get = |key| Operation::Get { key };
        let operations = self.account_keys().into_iter().map(get).collect();
        let Written::Done(outcome) = context.write(WriteCommand::Batch { operations }).await?
        else {
            return Ok(None);
        };
        let entry = |result| match result {
            OperationResult::Get(found) => found,
            _ => None,
        };
        let entries = outcome.results.into_iter().filter_map(entry).collect();
        Ok(Some(Snapshot { revision: outcome.revision, entries }))
    }

    /// The balances of a snapshot, if they are what was paid in.
    fn balances(&self, snapshot: &Snapshot) -> Result<BTreeMap<u64, u64>, Violation> {
        let opened = self.keys.key(OPENED);
        let mut balances = BTreeMap::new();
        for entry in snapshot.entries.iter().filter(|entry| entry.key != opened) {
            let account = self.keys.name(&entry.key).trim_start_matches("account/").parse();
            balances.insert(account.unwrap_or(u64::MAX), positive(entry)?);
        }
        let total: u64 = balances.values().sum();
        match total == ACCOUNTS * OPENING_BALANCE {
            true => Ok(balances),
            false => {
                let at = snapshot.revision;
                Err(broken(format!("revision {at}: the total is {total}: {balances:?}")))
            }
        }
    }

    /// Checks that the balances follow from the records of transfers.
    fn check_records(&self, snapshot: &Snapshot) -> Result<BTreeSet<String>, Violation> {
        let is_record = |entry: &&KeyValue| self.keys.name(&entry.key).starts_with("transfer/");
        let (records, accounts): (Vec<_>, Vec<_>) =
            snapshot.entries.iter().partition(|entry| is_record(entry));
        let mut expected: BTreeMap<_, _> =
            (0..ACCOUNTS).map(|account| (account, i128::from(OPENING_BALANCE))).collect();
        for record in &records {
            let [from, to, amount] = parse_transfer(record)?;
            *expected.entry(from).or_default() -= i128::from(amount);
            *expected.entry(to).or_default() += i128::from(amount);
        }
        let entries = accounts.into_iter().cloned().collect();
        let found = self.balances(&Snapshot { revision: snapshot.revision, entries })?;
        let agree = |(account, due): (&u64, &i128)| {
            i128::from(found.get(account).copied().unwrap_or(0)) == *due
        };
        match expected.iter().all(agree) {
            true => Ok(records.iter().map(|record| self.keys.name(&record.key).into()).collect()),
            false => Err(broken(format!("records give {expected:?}, accounts hold {found:?}"))),
        }
    }
}

fn set_balance(key: &Key, balance: u64) -> Operation {
    match balance {
        0 => Operation::Delete { key: key.clone() },
        balance => Operation::put(key.clone(), text(balance)),
    }
}

fn balance(entry: &Option<KeyValue>) -> Result<u64, Violation> {
    entry.as_ref().map_or(Ok(0), positive)
}

/// An account that exists holds something.
fn positive(entry: &KeyValue) -> Result<u64, Violation> {
    let balance = number(&entry.value).filter(|balance| *balance > 0);
    balance.ok_or_else(|| broken(format!("not a balance: {entry:?}")))
}

fn parse_transfer(record: &KeyValue) -> Result<[u64; 3], Violation> {
    let text = String::from_utf8_lossy(record.value.as_bytes());
    let numbers: Vec<u64> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
    numbers.try_into().map_err(|_| broken(format!("not a transfer: {record:?}")))
}

fn broken(detail: String) -> Violation {
    Violation::new("money is neither made nor lost", detail)
}

#[async_trait]
impl Workload for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    async fn prepare(&self, context: &Context) -> Result<(), Violation> {
        let opened = self.keys.key(OPENED);
        let accounts = (0..ACCOUNTS).map(|account| self.account(account));
        let mut success: Vec<_> =
            accounts.map(|key| Operation::put(key, text(OPENING_BALANCE))).collect();
        success.push(Operation::put(opened.clone(), text("")));
        let compares = vec![Compare::absent(opened)];
        let open = Transaction { compares, success, ..Transaction::default() };
        context.surely_write(WriteCommand::Transaction(open)).await.map(drop)
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        let (run, mut known, mut transfers) = (self.runs.next(), Revision::ZERO, 0);
        while !context.stop.is_set() {
            context.think().await;
            if context.random.one_in(3) {
                known = self.audit(&context, known).await?;
                continue;
            }
            transfers += 1;
            let name = format!("transfer/{run:04}-{transfers:07}");
            self.transfer(&context, &name).await?;
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        let snapshot = context.surely_scan(self.keys.range("")).await?;
        let records = self.check_records(&snapshot)?;
        self.transfers.check(&records)
    }
}
