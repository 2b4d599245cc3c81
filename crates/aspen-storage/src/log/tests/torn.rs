//! Every crash of one run: the run is recorded write by write, and the power is cut at each of
//! them, with what had not been synced kept in every way that a disk may keep it.

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fault_disk::{Change, Fault, Step, apply, keep_sectors};
use super::model::{Call, Found, Mix, Model};
use super::workload::{GROUPS, perform, small};
use super::*;

/// A call with the disk's steps when it began and when its answer was seen.
struct Told {
    round: usize,
    raw: u32,
    call: Call,
    begun: usize,
    answered: usize,
}

struct Recording {
    told: Vec<Told>,
    steps: Vec<Step>,
}

/// Runs rounds of calls of all groups on a sound disk.
async fn record(seed: u64, mix: Mix, rounds: usize) -> Recording {
    let mut rng = StdRng::seed_from_u64(seed);
    let disk = FaultDisk::empty();
    let store = RedbLogStore::open_on(Arc::clone(&disk), small()).unwrap();
    let mut models = vec![Model::default(); GROUPS as usize];
    let mut told = Vec::new();
    for round in 0..rounds {
        let calls: Vec<_> = models.iter().map(|it| it.choose(mix, &mut rng, round)).collect();
        let running = calls.iter().zip(0..).map(|(call, raw)| {
            let (disk, log, call) = (Arc::clone(&disk), store.group(group(raw)), call.clone());
            async move {
                let begun = disk.steps().len();
                perform(log, call.clone()).await.unwrap();
                Told { round, raw, call, begun, answered: disk.steps().len() }
            }
        });
        let answered = join_all(running).await;
        models.iter_mut().zip(calls).for_each(|(model, call)| model.apply(call));
        told.extend(answered);
    }
    store.close().await.unwrap();
    Recording { told, steps: disk.steps() }
}

/// What a disk keeps of the changes since the last sync.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Nothing,
    Everything,
    AllButTheLast,
    OnlyTheLast,
    /// The last change only in part.
    LastTorn,
    OddChanges,
    EvenChanges,
    OddSectors,
    EvenSectors,
    Random(u64),
}

const WAYS: [Kept; 11] = [
    Kept::Nothing,
    Kept::Everything,
    Kept::AllButTheLast,
    Kept::OnlyTheLast,
    Kept::LastTorn,
    Kept::OddChanges,
    Kept::EvenChanges,
    Kept::OddSectors,
    Kept::EvenSectors,
    Kept::Random(1),
    Kept::Random(2),
];

impl Kept {
    /// Whether a sector of change `number` of `count` reached the medium.
    fn keeps(self, number: usize, count: usize, sector: usize, rng: &mut StdRng) -> bool {
        let is_last = number + 1 == count;
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::AllButTheLast => !is_last,
            Self::OnlyTheLast => is_last,
            Self::LastTorn => !is_last || sector % 3 == 1,
            Self::OddChanges => !number.is_multiple_of(2),
            Self::EvenChanges => number.is_multiple_of(2),
            Self::OddSectors => !sector.is_multiple_of(2),
            Self::EvenSectors => sector.is_multiple_of(2),
            Self::Random(_) => rng.random(),
        }
    }
}

impl Recording {
    /// The disk after a power cut behind `steps` steps.
    fn image(&self, steps: usize, kept: Kept) -> Vec<u8> {
        let done = &self.steps[..steps];
        let synced =
            done.iter().rposition(|step| matches!(step, Step::Sync)).map_or(0, |at| at + 1);
        let mut image = Vec::new();
        for step in &done[..synced] {
            if let Step::Change(change) = step {
                apply(&mut image, change);
            }
        }
        let seed = if let Kept::Random(seed) = kept { seed } else { 0 };
        let mut rng = StdRng::seed_from_u64(seed << 32 | steps as u64);
        let pending = &done[synced..];
        for (number, step) in pending.iter().enumerate() {
            let mut keeps = |sector| kept.keeps(number, pending.len(), sector, &mut rng);
            match step {
                Step::Change(Change::Write(offset, data)) => {
                    keep_sectors(&mut image, *offset, data, keeps);
                }
                Step::Change(Change::SetLen(len)) if keeps(0) => image.resize(*len as usize, 0),
                Step::Change(Change::SetLen(_)) | Step::Sync => {}
            }
        }
        image
    }

    /// What a group was told behind `steps` steps: for certain, and with the call under way.
    fn models(&self, steps: usize, raw: u32) -> [Model; 2] {
        let before = |told: &&Told| told.answered <= steps;
        let is_synced = |told: &&Told| told.call.is_synced();
        let durable =
            self.told.iter().filter(before).filter(is_synced).map(|told| told.round).max();
        let mut sure = Model::default();
        let of_group = || self.told.iter().filter(|told| told.raw == raw);
        for told in of_group().filter(before) {
            sure.apply(told.call.clone());
            if durable.is_some_and(|durable| told.round < durable) {
                sure.purges_durable = sure.purges.len();
            }
        }
        let mut with_call = sure.clone();
        let under_way = of_group().find(|told| told.begun <= steps && told.answered > steps);
        under_way.into_iter().for_each(|told| with_call.apply(told.call.clone()));
        [sure, with_call]
    }

    /// Opens an image and compares every group; says what was not allowed.
    async fn check(&self, steps: usize, image: Vec<u8>) -> Result<(), String> {
        let disk = FaultDisk::new(image, Fault::None);
        let store = RedbLogStore::open_on(disk, small()).map_err(|error| error.to_string())?;
        for raw in 0..GROUPS {
            let found = Found::of(&store.group(group(raw))).await;
            let models = self.models(steps, raw);
            if !models.iter().any(|model| model.allows(&found)) {
                return Err(format!("group {raw}: found {found:#?}\nof {models:#?}"));
            }
        }
        store.verify().await.map_err(|error| error.to_string())?;
        store.close().await.map_err(|error| error.to_string())
    }
}

/// Cuts the power at every `stride`th step of a run, in every way.
async fn crash_everywhere(seed: u64, mix: Mix, rounds: usize, stride: usize) {
    let recording = record(seed, mix, rounds).await;
    let mut judged = 0;
    for steps in (0..=recording.steps.len()).step_by(stride) {
        let mut seen = Vec::new();
        for kept in WAYS {
            let image = recording.image(steps, kept);
            if seen.contains(&image) {
                continue;
            }
            let checked = recording.check(steps, image.clone()).await;
            checked.unwrap_or_else(|error| panic!("step {steps}, {kept:?}: {error}"));
            seen.push(image);
            judged += 1;
        }
    }
    assert!(judged * stride > recording.steps.len(), "only {judged} images differ");
}

#[tokio::test]
async fn torn_writes_are_survived() {
    crash_everywhere(7, Mix::Even, 4, 7).await;
}

#[tokio::test]
async fn torn_writes_while_purging_are_survived() {
    crash_everywhere(11, Mix::Purging, 4, 7).await;
}

#[tokio::test]
async fn slow_every_torn_write_is_survived() {
    crash_everywhere(20, Mix::Even, 6, 1).await;
}

#[tokio::test]
async fn slow_every_torn_write_while_purging_is_survived() {
    crash_everywhere(21, Mix::Purging, 7, 1).await;
}

/// A disk whose sync lies must be found out, or the images prove nothing.
#[tokio::test]
async fn a_lying_sync_is_found_out() {
    let mut recording = record(7, Mix::Even, 4).await;
    let last = recording.steps.iter().rposition(|step| matches!(step, Step::Sync)).unwrap();
    let born = recording.told[0].answered;
    recording.steps = recording.steps[..=last].to_vec();
    let mut position = 0;
    recording.steps.retain(|step| {
        position += 1;
        position <= born || !matches!(step, Step::Sync)
    });
    for told in &mut recording.told {
        told.answered = told.answered.min(recording.steps.len());
    }
    let steps = recording.steps.len();
    let image = recording.image(steps, Kept::Nothing);
    assert!(recording.check(steps, image).await.is_err(), "the loss was not noticed");
}
