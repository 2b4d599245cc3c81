//! Invariant: who is told of a write outside the store sees it inside. Writers announce what was
//! acknowledged on a board that the store knows nothing of; whoever has read the board must then
//! read that or something newer, linearizably. After FoundationDB's `Sideband` workload.
//!
//! Each write also names one announcement that its writer had seen. Whatever read shows the write
//! must show what it names: also a stale read or one of the past, which may be old but is never a
//! mixture. And a stale read is a state that the group has really been in: not ahead of a
//! linearizable read that follows, and the same when its revision is read by name.

use std::collections::BTreeMap;

use aspen_core::{
    Compare, Consistency, KeyRange, KeyValue, Operation, OperationResult, ReadRequest, Revision,
    ScanRequest, Transaction, WriteCommand,
};
use async_trait::async_trait;
use parking_lot::Mutex;

use super::fate::Written;
use super::key_space::{KeySpace, text};
use super::runs::Runs;
use super::snapshot::Snapshot;
use super::{Context, Workload};
use crate::check::Violation;

/// How many keys each client writes.
const OWN_KEYS: u64 = 2;

/// The number of a write: each key's writes are numbered from 1 by its only writer.
type Number = u64;

/// What was acknowledged: the newest number of each key and the revision it got.
type Board = BTreeMap<String, (Number, Revision)>;

/// The store's keys and the board beside it.
pub(super) struct Sideband {
    keys: KeySpace,
    runs: Runs,
    board: Mutex<Board>,
}

/// A write of a key: its number, and an announcement that the writer had seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    number: Number,
    seen: Option<(String, Number)>,
}

/// A writer, and the number and revision of the last write of each of its keys.
struct Own {
    run: u64,
    written: Board,
}

impl Message {
    fn encode(&self) -> String {
        match &self.seen {
            Some((name, number)) => format!("{} {name} {number}", self.number),
            None => self.number.to_string(),
        }
    }

    fn decode(entry: &KeyValue) -> Option<Self> {
        let text = std::str::from_utf8(entry.value.as_bytes()).ok()?;
        match text.split(' ').collect::<Vec<_>>()[..] {
            [number] => Some(Self { number: number.parse().ok()?, seen: None }),
            [number, name, seen] => {
                let seen = Some((name.to_owned(), seen.parse().ok()?));
                Some(Self { number: number.parse().ok()?, seen })
            }
            _ => None,
        }
    }
}

impl Sideband {
    pub(super) fn new(before: &str) -> Self {
        let keys = KeySpace::new(format!("{before}sideband"));
        Self { keys, runs: Runs::default(), board: Mutex::default() }
    }

    fn range(&self) -> KeyRange {
        self.keys.range("")
    }

    /// One announcement, by chance.
    fn announcement(&self, context: &Context) -> Option<(String, (Number, Revision))> {
        let board = self.board.lock();
        let names: Vec<_> = board.keys().collect();
        let name = *context.random.pick(&names)?;
        Some((name.clone(), board[name]))
    }

    /// Writes the next number of one of the client's keys and announces it. A number whose fate is
    /// unknown is written again until it is known: the guard keeps a late copy from coming after.
    async fn announce(&self, context: &Context, own: &mut Own) -> Result<(), Violation> {
        let name = format!("{:04}-{}", own.run, context.random.below(OWN_KEYS));
        let (last, revision) = own.written.get(&name).copied().unwrap_or((0, Revision::ZERO));
        let seen = self.announcement(context).map(|(name, (number, _))| (name, number));
        let message = Message { number: last + 1, seen };
        let key = self.keys.key(&name);
        let transaction = Transaction {
            compares: vec![Compare::mod_revision(key.clone(), revision)],
            success: vec![Operation::put(key.clone(), text(message.encode()))],
            failure: vec![Operation::Get { key }],
            ..Transaction::default()
        };
        while !context.stop.is_set() {
            let command = WriteCommand::Transaction(transaction.clone());
            if let Written::Done(outcome) = context.write(command).await? {
                let revision = match outcome.succeeded {
                    true => outcome.revision,
                    false => written_before(&message, outcome.results)?,
                };
                own.written.insert(name.clone(), (message.number, revision));
                self.board.lock().insert(name, (message.number, revision));
                return Ok(());
            }
            context.think().await;
        }
        Ok(())
    }

    /// Reads a key that the board names: it holds what was announced or something newer.
    async fn listen(&self, context: &Context) -> Result<(), Violation> {
        let Some((name, told)) = self.announcement(context) else { return Ok(()) };
        let reply = context.read(ReadRequest::one(self.keys.key(&name))).await?;
        let Some(mut reply) = reply else { return Ok(()) };
        check_told(&name, told, reply.revision, reply.values.pop().flatten().as_ref())
    }

    /// Scans everything: it holds all that was announced, or something newer.
    async fn survey(&self, context: &Context) -> Result<(), Violation> {
        let board = self.board.lock().clone();
        let seen = context.observe(&self.range(), Consistency::Linearizable).await?;
        let Some(seen) = seen else { return Ok(()) };
        self.check_board(&board, &seen)
    }

    fn check_board(&self, board: &Board, seen: &Snapshot) -> Result<(), Violation> {
        let found: BTreeMap<_, _> =
            seen.entries.iter().map(|entry| (entry.key.clone(), entry)).collect();
        for (name, told) in board {
            let entry = found.get(&self.keys.key(name)).copied();
            check_told(name, *told, seen.revision, entry)?;
        }
        self.check_causes(seen)
    }

    /// Reads some replica's state, and compares it with the present and with itself.
    async fn look_back(&self, context: &Context) -> Result<(), Violation> {
        let stale = context.observe(&self.range(), Consistency::Stale).await?;
        let Some(stale) = stale else { return Ok(()) };
        self.check_causes(&stale)?;
        let now = context.read(ReadRequest::one(self.keys.key("any"))).await?;
        if let Some(now) = now
            && now.revision < stale.revision
        {
            let detail = format!("{} before, {} after", stale.revision, now.revision);
            return Err(Violation::new("no replica is ahead of the group", detail));
        }
        let consistency = Consistency::AtRevision(stale.revision);
        let request = ScanRequest { consistency, ..ScanRequest::new(self.range()) };
        match context.scan(request).await? {
            Some(again) if again.entries != stale.entries => {
                let (at, first, second) = (stale.revision, &stale.entries, &again.entries);
                let detail = format!("revision {at}: first {first:?}, then {second:?}");
                Err(Violation::new("a revision reads the same each time", detail))
            }
            _ => Ok(()),
        }
    }

    /// Whatever a snapshot shows, it shows what that names.
    fn check_causes(&self, snapshot: &Snapshot) -> Result<(), Violation> {
        let mut numbers = BTreeMap::new();
        let mut causes = Vec::new();
        for entry in &snapshot.entries {
            let message = Message::decode(entry).ok_or_else(|| garbled(entry))?;
            numbers.insert(self.keys.name(&entry.key), message.number);
            causes.extend(message.seen.map(|cause| (entry, cause)));
        }
        for (effect, (name, number)) in causes {
            let shown = numbers.get(name.as_str()).copied().unwrap_or(0);
            if shown < number {
                let at = snapshot.revision;
                let detail =
                    format!("revision {at}: {effect:?} without {name} {number}, only {shown}");
                return Err(Violation::new("an effect is never seen without its cause", detail));
            }
        }
        Ok(())
    }
}

/// Judges what was read of a key after it was announced.
fn check_told(
    name: &str,
    (number, revision): (Number, Revision),
    read_at: Revision,
    found: Option<&KeyValue>,
) -> Result<(), Violation> {
    let message = found.map(|entry| Message::decode(entry).ok_or_else(|| garbled(entry)));
    let shown = message.transpose()?.map_or(0, |message| message.number);
    if shown >= number && read_at >= revision {
        return Ok(());
    }
    let detail = format!(
        "{name}: told of number {number} at revision {revision}, read {shown} at {read_at}"
    );
    Err(Violation::new("who is told of a write sees it", detail))
}

/// The guard of a write failed: since nobody else writes the key, an earlier copy of the same write
/// has happened. Answers its revision.
fn written_before(message: &Message, results: Vec<OperationResult>) -> Result<Revision, Violation> {
    match results.into_iter().next() {
        Some(OperationResult::Get(Some(entry)))
            if Message::decode(&entry).as_ref() == Some(message) =>
        {
            Ok(entry.mod_revision)
        }
        other => {
            let detail = format!("{message:?} was refused because of {other:?}");
            Err(Violation::new("a key with one writer holds what it wrote", detail))
        }
    }
}

fn garbled(entry: &KeyValue) -> Violation {
    Violation::new("a key holds what was written", format!("found {entry:?}"))
}

#[async_trait]
impl Workload for Sideband {
    fn name(&self) -> &'static str {
        "sideband"
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        let mut own = Own { run: self.runs.next(), written: Board::new() };
        while !context.stop.is_set() {
            context.think().await;
            match context.random.below(8) {
                0..=2 => self.announce(&context, &mut own).await?,
                3..=4 => self.listen(&context).await?,
                5 => self.survey(&context).await?,
                _ => self.look_back(&context).await?,
            }
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        let board = self.board.lock().clone();
        let seen = context.surely_scan(self.range()).await?;
        self.check_board(&board, &seen)
    }
}
