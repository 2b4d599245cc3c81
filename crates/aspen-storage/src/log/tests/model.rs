//! What a group was told, and so what it must give back after a crash.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;

use super::*;

/// One write to a group's log.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Append(Vec<LogRecord>),
    Truncate(u64),
    Purge(u64, Bytes),
    Vote(Bytes),
    Committed(Bytes),
}

impl Call {
    /// Whether its answer promises that it is durable.
    pub(super) fn is_synced(&self) -> bool {
        !matches!(self, Self::Purge(..) | Self::Committed(_))
    }
}

/// Which calls come how often.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mix {
    /// A little of everything, mostly appends.
    Even,
    /// Short entries and a purge after every other call, so that rows are removed all the time.
    Purging,
}

/// A group's log as it was told, with the room that its promises leave.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// Entries that were not truncated, purged ones included: a purge may be lost.
    history: BTreeMap<u64, Bytes>,
    pub(super) purges: Vec<(LogIndex, Bytes)>,
    /// Purges that a later durable write made durable.
    pub(super) purges_durable: usize,
    vote: Option<Bytes>,
    committed: Vec<Bytes>,
}

/// What a group gave back.
#[derive(Debug)]
pub(super) struct Found {
    entries: Vec<LogRecord>,
    purged: Option<(LogIndex, Bytes)>,
    vote: Option<Bytes>,
    committed: Option<Bytes>,
}

impl Found {
    pub(super) async fn of(log: &Arc<dyn GroupLog>) -> Self {
        Self {
            entries: read_all(log).await,
            purged: log.state().purged,
            vote: log.vote(),
            committed: log.committed(),
        }
    }
}

impl Model {
    fn purged(&self) -> Option<u64> {
        self.purges.last().map(|(upto, _)| upto.get())
    }

    fn live(&self, purged: Option<u64>) -> impl Iterator<Item = (u64, &Bytes)> {
        let from = purged.map_or(0, |upto| upto + 1);
        self.history.range(from..).map(|(&index, payload)| (index, payload))
    }

    /// The entries as a running log shows them.
    pub(super) fn entries(&self) -> Vec<LogRecord> {
        let live = self.live(self.purged());
        live.map(|(index, payload)| record(index, payload.clone())).collect()
    }

    fn end(&self) -> u64 {
        let last = self.live(self.purged()).last().map(|(index, _)| index);
        last.or(self.purged()).map_or(0, |last| last + 1)
    }

    /// A call that the log must take as it stands.
    pub(super) fn choose(&self, mix: Mix, rng: &mut StdRng, step: usize) -> Call {
        let (end, first) = (self.end(), self.purged().map_or(0, |upto| upto + 1));
        let name = Bytes::from(format!("step {step} {}", rng.random::<u32>()));
        match (mix, rng.random_range(0..10)) {
            (_, 0) => Call::Vote(name),
            (_, 1) => Call::Committed(name),
            (_, 2) if end > first => Call::Truncate(rng.random_range(first..end)),
            (_, 3) if end > first => Call::Purge(rng.random_range(first..end), name),
            (_, 4) if rng.random_range(0..4) == 0 => {
                Call::Purge(end + rng.random_range(0..5u64), name)
            }
            (Mix::Purging, 5..8) if end > first => Call::Purge(rng.random_range(first..end), name),
            (Mix::Purging, _) => Call::Append(appended(end, 60, rng)),
            (Mix::Even, _) if rng.random_range(0..20) == 0 => {
                Call::Append(appended(end, 30_000, rng))
            }
            (Mix::Even, _) => Call::Append(appended(end, 600, rng)),
        }
    }

    pub(super) fn apply(&mut self, call: Call) {
        match call {
            Call::Append(records) => {
                self.history.extend(records.into_iter().map(|r| (r.index.get(), r.payload)));
            }
            Call::Truncate(from) => drop(self.history.split_off(&from)),
            Call::Purge(upto, marker) => self.purges.push((LogIndex::new(upto), marker)),
            Call::Vote(vote) => self.vote = Some(vote),
            Call::Committed(committed) => self.committed.push(committed),
        }
    }

    /// The model allows what was found.
    pub(super) fn allows(&self, found: &Found) -> bool {
        let purge = self.purges.iter().rposition(|purge| Some(purge) == found.purged.as_ref());
        let purges = purge.map_or(0, |purge| purge + 1);
        let known = purge.is_some() || found.purged.is_none();
        let upto = found.purged.as_ref().map(|(upto, _)| upto.get());
        let entries = found.entries.iter().map(|r| (r.index.get(), &r.payload));
        known
            && purges >= self.purges_durable
            && entries.eq(self.live(upto))
            && found.vote == self.vote
            && found.committed.as_ref().is_none_or(|found| self.committed.contains(found))
    }

    /// Goes on from what was found.
    pub(super) fn settle(&mut self, found: &Found) {
        *self = Self {
            history: found.entries.iter().map(|r| (r.index.get(), r.payload.clone())).collect(),
            purges: found.purged.iter().cloned().collect(),
            purges_durable: usize::from(found.purged.is_some()),
            vote: found.vote.clone(),
            committed: found.committed.iter().cloned().collect(),
        };
    }
}

fn appended(from: u64, len_max: usize, rng: &mut StdRng) -> Vec<LogRecord> {
    let count = rng.random_range(1..6u64);
    let mut payload = |_| vec![rng.random::<u8>(); rng.random_range(0..len_max)];
    (from..from + count).map(|index| record(index, payload(index))).collect()
}
