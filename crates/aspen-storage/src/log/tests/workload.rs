//! Calls of several groups together, and the comparison of what a disk then holds.

use futures_util::future::join_all;
use rand::RngExt;
use rand::rngs::StdRng;

use super::fault_disk::Fault;
use super::model::{Call, Found, Mix, Model};
use super::*;
use crate::log::LogError;

pub(super) const GROUPS: u32 = 3;

/// What was under way when a run ended, group by group, and how it failed.
pub(super) type UnderWay = Vec<(Option<Call>, Option<LogError>)>;

/// Groups beside their models.
pub(super) struct Workload {
    pub(super) models: Vec<Model>,
    pub(super) rng: StdRng,
    pub(super) mix: Mix,
    pub(super) options: LogOptions,
    /// Reads and openings that failed; they change nothing.
    pub(super) harmless_failures: usize,
}

/// Options under which rows are removed in many small commits.
pub(super) fn small() -> LogOptions {
    LogOptions { purge_chunk_rows: 8, ..options() }
}

pub(super) fn nothing() -> UnderWay {
    vec![(None, None); GROUPS as usize]
}

pub(super) fn failures(under_way: &UnderWay) -> usize {
    under_way.iter().filter(|(_, error)| error.is_some()).count()
}

pub(super) async fn perform(log: Arc<dyn GroupLog>, call: Call) -> Result<(), LogError> {
    match call {
        Call::Append(records) => log.append(records).await,
        Call::Truncate(from) => log.truncate(LogIndex::new(from)).await,
        Call::Purge(upto, marker) => log.purge(LogIndex::new(upto), marker).await,
        Call::Vote(vote) => log.save_vote(vote).await,
        Call::Committed(committed) => log.save_committed(Some(committed)).await,
    }
}

impl Workload {
    pub(super) fn new(rng: StdRng, mix: Mix) -> Self {
        let models = vec![Model::default(); GROUPS as usize];
        Self { models, rng, mix, options: small(), harmless_failures: 0 }
    }

    /// Opens the disk and runs calls until one fails; then the disk stops. Answers what was under
    /// way; nothing when the disk could not even be opened.
    pub(super) async fn run_on(&mut self, disk: &Arc<FaultDisk>, rounds: usize) -> UnderWay {
        let Ok(store) = RedbLogStore::open_on(Arc::clone(disk), self.options.clone()) else {
            self.harmless_failures += 1;
            return nothing();
        };
        let under_way = self.run(&store, rounds).await;
        disk.cut_power();
        // Fails, and lets go of the disk.
        let _ = store.close().await;
        under_way
    }

    /// Runs calls of all groups together until one fails; answers what was then under way.
    pub(super) async fn run(&mut self, store: &RedbLogStore, rounds: usize) -> UnderWay {
        for step in 0..rounds {
            let under_way = self.round(store, step).await;
            if under_way.iter().any(|(call, _)| call.is_some()) {
                return under_way;
            }
            self.read_some(store).await;
        }
        nothing()
    }

    async fn round(&mut self, store: &RedbLogStore, step: usize) -> UnderWay {
        let choose = |model: &Model| model.choose(self.mix, &mut self.rng, step);
        let calls: Vec<_> = self.models.iter().map(choose).collect();
        let purges: Vec<_> = self.models.iter().map(|model| model.purges.len()).collect();
        let running =
            calls.iter().zip(0..).map(|(call, raw)| perform(store.group(group(raw)), call.clone()));
        let results = join_all(running).await;
        let durable = calls.iter().zip(&results).any(|(call, it)| it.is_ok() && call.is_synced());
        let mut under_way = Vec::new();
        for ((model, call), (result, purges)) in
            self.models.iter_mut().zip(calls).zip(results.into_iter().zip(purges))
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
        under_way
    }

    /// Reads a group now and then: the right entries or an error.
    async fn read_some(&mut self, store: &RedbLogStore) {
        let raw = self.rng.random_range(0..4 * GROUPS);
        let Some(model) = self.models.get(raw as usize) else { return };
        let log = store.group(group(raw));
        let from = log.state().purged.map_or(0, |(upto, _)| upto.get() + 1);
        match log.read(from..u64::MAX, usize::MAX).await {
            Ok(found) => assert_eq!(found, model.entries(), "group {raw}"),
            Err(LogError::Io(_)) => self.harmless_failures += 1,
            Err(error) => panic!("group {raw}: {error:?}"),
        }
    }

    /// Opens an image on a sound disk, compares every group with its model and checks every row.
    /// The models go on from what was found; answers the disk as this leaves it.
    pub(super) async fn check(
        &mut self,
        image: Vec<u8>,
        under_way: UnderWay,
        label: &str,
    ) -> Vec<u8> {
        let disk = FaultDisk::new(image, Fault::None);
        let store = open(&disk);
        for ((model, (call, error)), raw) in self.models.iter_mut().zip(under_way).zip(0..) {
            let found = Found::of(&store.group(group(raw))).await;
            let mut with_call = model.clone();
            call.clone().into_iter().for_each(|call| with_call.apply(call));
            assert!(
                model.allows(&found) || with_call.allows(&found),
                "{label}, group {raw}: after {call:?} ({error:?})\nfound {found:#?}\nof {model:#?}"
            );
            model.settle(&found);
        }
        store.verify().await.unwrap();
        store.close().await.unwrap();
        disk.current()
    }
}
