//! Crash images: whatever was acknowledged is there after the power fails, a sync fails or the disk
//! fills up, at any moment. What was under way may be there, whole, or not.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fault_disk::Fault;
use super::*;
use crate::log::LogError;

const GROUPS: u32 = 3;
const ROUNDS: usize = 25;

#[derive(Clone, Debug)]
enum Call {
    Append(Vec<LogRecord>),
    Truncate(u64),
    Purge(u64, Bytes),
    Vote(Bytes),
    Committed(Bytes),
}

/// What a group was told, and so what it must give back.
#[derive(Clone, Debug, Default)]
struct Model {
    /// Entries that were not truncated, purged ones included: a purge may be lost.
    history: BTreeMap<u64, Bytes>,
    purges: Vec<(LogIndex, Bytes)>,
    /// Purges that a later durable write made durable.
    purges_durable: usize,
    vote: Option<Bytes>,
    committed: Vec<Bytes>,
}

/// What a group gave back.
#[derive(Debug)]
struct Found {
    entries: Vec<LogRecord>,
    purged: Option<(LogIndex, Bytes)>,
    vote: Option<Bytes>,
    committed: Option<Bytes>,
}

impl Model {
    fn purged(&self) -> Option<u64> {
        self.purges.last().map(|(upto, _)| upto.get())
    }

    fn live(&self, purged: Option<u64>) -> impl Iterator<Item = (u64, &Bytes)> {
        let from = purged.map_or(0, |upto| upto + 1);
        self.history.range(from..).map(|(&index, payload)| (index, payload))
    }

    fn end(&self) -> u64 {
        let last = self.live(self.purged()).last().map(|(index, _)| index);
        last.or(self.purged()).map_or(0, |last| last + 1)
    }

    fn choose(&self, rng: &mut StdRng, step: usize) -> Call {
        let (end, first) = (self.end(), self.purged().map_or(0, |upto| upto + 1));
        let name = Bytes::from(format!("step {step} {}", rng.random::<u32>()));
        match rng.random_range(0..10) {
            0 => Call::Vote(name),
            1 => Call::Committed(name),
            2 if end > first => Call::Truncate(rng.random_range(first..end)),
            3 if end > first => Call::Purge(rng.random_range(first..end), name),
            4 if rng.random_range(0..4) == 0 => Call::Purge(end + rng.random_range(0..5u64), name),
            _ => Call::Append(appended(end, rng)),
        }
    }

    fn apply(&mut self, call: Call) {
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
    fn allows(&self, found: &Found) -> bool {
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
    fn settle(&mut self, found: &Found) {
        *self = Self {
            history: found.entries.iter().map(|r| (r.index.get(), r.payload.clone())).collect(),
            purges: found.purged.iter().cloned().collect(),
            purges_durable: usize::from(found.purged.is_some()),
            vote: found.vote.clone(),
            committed: found.committed.iter().cloned().collect(),
        };
    }
}

fn appended(from: u64, rng: &mut StdRng) -> Vec<LogRecord> {
    let count = rng.random_range(1..6u64);
    let long = rng.random_range(0..20) == 0;
    let mut payload = |_| {
        let len = rng.random_range(0..if long { 30_000 } else { 600 });
        vec![rng.random::<u8>(); len]
    };
    (from..from + count).map(|index| record(index, payload(index))).collect()
}

async fn perform(log: Arc<dyn GroupLog>, call: Call) -> Result<(), LogError> {
    match call {
        Call::Append(records) => log.append(records).await,
        Call::Truncate(from) => log.truncate(LogIndex::new(from)).await,
        Call::Purge(upto, marker) => log.purge(LogIndex::new(upto), marker).await,
        Call::Vote(vote) => log.save_vote(vote).await,
        Call::Committed(committed) => log.save_committed(Some(committed)).await,
    }
}

/// Runs calls of all groups together until one fails; returns what was then under way.
async fn run(
    store: &RedbLogStore,
    models: &mut [Model],
    rng: &mut StdRng,
) -> Vec<(Option<Call>, Option<LogError>)> {
    for step in 0..ROUNDS {
        let calls: Vec<_> = models.iter().map(|model| model.choose(rng, step)).collect();
        let purges: Vec<_> = models.iter().map(|model| model.purges.len()).collect();
        let running =
            calls.iter().zip(0..).map(|(call, raw)| perform(store.group(group(raw)), call.clone()));
        let results = join_all(running).await;
        let synced = |(call, result): (&Call, &Result<(), LogError>)| {
            result.is_ok() && !matches!(call, Call::Purge(..) | Call::Committed(_))
        };
        let durable = calls.iter().zip(&results).any(synced);
        let mut under_way = Vec::new();
        for ((model, call), (result, purges)) in
            models.iter_mut().zip(calls).zip(results.into_iter().zip(purges))
        {
            if durable {
                model.purges_durable = purges;
            }
            match result {
                Ok(()) => {
                    model.apply(call);
                    under_way.push((None, None));
                }
                Err(error) => under_way.push((Some(call), Some(error))),
            }
        }
        if under_way.iter().any(|(call, _)| call.is_some()) {
            return under_way;
        }
    }
    vec![(None, None); models.len()]
}

async fn find(log: &Arc<dyn GroupLog>) -> Found {
    Found {
        entries: read_all(log).await,
        purged: log.state().purged,
        vote: log.vote(),
        committed: log.committed(),
    }
}

fn draw(kind: fn(u64) -> Fault, rng: &mut StdRng) -> Fault {
    let operations = match kind(0) {
        Fault::SyncFails(_) => 1..60,
        _ => 1..600,
    };
    kind(rng.random_range(operations))
}

/// Three crashes of one disk.
async fn crash_thrice(seed: u64, kind: fn(u64) -> Fault) -> usize {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut models = vec![Model::default(); GROUPS as usize];
    let (mut image, mut faults) = (Vec::new(), 0);
    for _ in 0..3 {
        let disk = FaultDisk::new(image, draw(kind, &mut rng));
        let mut under_way = vec![(None, None); GROUPS as usize];
        let small = LogOptions { purge_chunk_rows: 8, ..options() };
        if let Ok(store) = RedbLogStore::open_on(Arc::clone(&disk), small) {
            under_way = run(&store, &mut models, &mut rng).await;
            disk.cut_power();
            // Fails, and lets go of the disk.
            let _ = store.close().await;
        }
        faults += under_way.iter().filter(|(_, error)| error.is_some()).count();
        image = disk.crash_image(&mut rng);
        image = check(image, &mut models, under_way, seed).await;
    }
    faults
}

/// Opens what the crash left, compares, and returns the disk as the check leaves it.
async fn check(
    image: Vec<u8>,
    models: &mut [Model],
    under_way: Vec<(Option<Call>, Option<LogError>)>,
    seed: u64,
) -> Vec<u8> {
    let disk = FaultDisk::new(image, Fault::None);
    let store = open(&disk);
    for ((model, (call, error)), raw) in models.iter_mut().zip(under_way).zip(0..) {
        let found = find(&store.group(group(raw))).await;
        let mut with_call = model.clone();
        call.clone().into_iter().for_each(|call| with_call.apply(call));
        assert!(
            model.allows(&found) || with_call.allows(&found),
            "seed {seed} group {raw}: after {call:?} ({error:?})\nfound {found:#?}\nof {model:#?}"
        );
        model.settle(&found);
    }
    store.verify().await.unwrap();
    store.close().await.unwrap();
    disk.current()
}

async fn crash_many(seeds: std::ops::Range<u64>, kind: fn(u64) -> Fault) {
    let mut faults = 0;
    for seed in seeds {
        faults += crash_thrice(seed, kind).await;
    }
    assert!(faults > 20, "only {faults} calls failed: the faults come too late");
}

#[tokio::test]
async fn a_power_cut_loses_nothing_acknowledged() {
    crash_many(0..120, Fault::PowerCut).await;
}

#[tokio::test]
async fn a_failed_sync_loses_nothing_acknowledged() {
    crash_many(1_000..1_060, Fault::SyncFails).await;
}

#[tokio::test]
async fn a_full_disk_loses_nothing_acknowledged() {
    crash_many(2_000..2_060, Fault::NoSpace).await;
}
