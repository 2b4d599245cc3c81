//! Schedules from seeds.

use aspen_node::compose::GROUPS;

use super::{
    AddNode, BitRot, ClockChange, CrashAll, CrashOne, Direction, DiskFull, DiskSlow, Event, Fault,
    Isolate, KindTrouble, LoseDisk, Pause, PowerCut, RemoveNode, Rolling, Schedule, SetVoters,
    Snapshot, Split, Swizzle, SyncFailure, Target, Transfer, Weather, Which,
};
use crate::sim::cluster::Crash;
use crate::sim::network::Kind;
use crate::sim::setup::Setup;
use crate::workload::SeededRandom;

/// How one kind of fault is drawn.
type Draw = fn(&SeededRandom, &Setup) -> Fault;

const KINDS: [Draw; 21] = [
    crash_one,
    crash_all,
    rolling,
    power_cut,
    sync_failure,
    pause,
    disk_full,
    disk_slow,
    lose_disk,
    bit_rot,
    clock_change,
    isolate,
    split,
    swizzle,
    weather,
    kind_trouble,
    add_node,
    remove_node,
    set_voters,
    transfer,
    snapshot,
];

/// How much faster or slower a clock may run while leases are trusted, in millionths: two of them
/// stay within the tenth that lease reads allow.
const LEASE_SKEW_PPM_MAX: u64 = 45_000;

/// A clock that nobody trusts may be this wrong.
const SKEW_PPM_MAX: u64 = 300_000;

impl Schedule {
    /// The schedule of a seed. Each run knows only some kinds of faults, so that rare mixes come
    /// up and no kind drowns the others.
    pub(crate) fn draw(setup: &Setup) -> Self {
        let random = SeededRandom::new(setup.seed ^ 0xfa17);
        let mut kinds: Vec<Draw> = KINDS.into_iter().filter(|_| random.one_in(3)).collect();
        if kinds.is_empty() {
            kinds.push(crash_one);
        }
        let gap_ms = [500, 1_500, 4_000][random.below(3) as usize];
        let lasts_ms = [300, 2_000, 6_000][random.below(3) as usize];
        let mut events = Vec::new();
        let mut at_ms = random.below(gap_ms);
        while at_ms < setup.run_ms {
            let draw = kinds[random.below(kinds.len() as u64) as usize];
            let lasts_ms = 1 + random.below(2 * lasts_ms);
            events.push(Event { at_ms, lasts_ms, fault: draw(&random, setup) });
            at_ms += 1 + random.below(2 * gap_ms);
        }
        Self { events }
    }
}

fn which(random: &SeededRandom) -> Which {
    if random.one_in(4) { Which::Meta } else { Which::Data }
}

fn target(random: &SeededRandom) -> Target {
    match random.below(5) {
        0 | 1 => Target::Leader(which(random)),
        2 => Target::Other(which(random), random.below(8)),
        _ => Target::Nth(random.below(8)),
    }
}

fn how(random: &SeededRandom) -> Crash {
    if random.one_in(2) { Crash::Killed } else { Crash::PowerFailed }
}

fn direction(random: &SeededRandom) -> Direction {
    [Direction::Both, Direction::Both, Direction::Forth, Direction::Back][random.below(4) as usize]
}

fn crash_one(random: &SeededRandom, _: &Setup) -> Fault {
    Fault::CrashOne(CrashOne { target: target(random), how: how(random) })
}

fn crash_all(random: &SeededRandom, _: &Setup) -> Fault {
    let gap_ms = [0, 100, 1_000][random.below(3) as usize];
    Fault::CrashAll(CrashAll { how: how(random), gap_ms })
}

fn rolling(random: &SeededRandom, _: &Setup) -> Fault {
    let (down_ms, up_ms) = (random.below(1_000), random.below(1_000));
    Fault::Rolling(Rolling { how: how(random), down_ms, up_ms })
}

fn power_cut(random: &SeededRandom, _: &Setup) -> Fault {
    let (in_files, operations) = (random.one_in(2), random.below(200));
    Fault::PowerCut(PowerCut { target: target(random), in_files, operations })
}

fn sync_failure(random: &SeededRandom, _: &Setup) -> Fault {
    Fault::SyncFailure(SyncFailure { target: target(random), syncs: random.below(30) })
}

fn pause(random: &SeededRandom, _: &Setup) -> Fault {
    Fault::Pause(Pause { target: target(random) })
}

fn disk_full(random: &SeededRandom, _: &Setup) -> Fault {
    let free_bytes = [0, 4_096, 1 << 20][random.below(3) as usize];
    Fault::DiskFull(DiskFull { target: target(random), free_bytes })
}

fn disk_slow(random: &SeededRandom, _: &Setup) -> Fault {
    let ms_min = [1, 20, 500][random.below(3) as usize];
    let ms_max = ms_min * (1 + random.below(4));
    Fault::DiskSlow(DiskSlow { target: target(random), ms_min, ms_max })
}

fn lose_disk(random: &SeededRandom, _: &Setup) -> Fault {
    Fault::LoseDisk(LoseDisk { target: target(random) })
}

fn bit_rot(random: &SeededRandom, _: &Setup) -> Fault {
    Fault::BitRot(BitRot { target: target(random), bits: 1 << random.below(8) })
}

fn clock_change(random: &SeededRandom, setup: &Setup) -> Fault {
    let wall_ms_max = [0, 5_000, 3_600_000][random.below(3) as usize];
    let ppm_max = if setup.trusts_leases() { LEASE_SKEW_PPM_MAX } else { SKEW_PPM_MAX };
    let around_zero = |max: u64| random.below(2 * max + 1) as i64 - max as i64;
    Fault::ClockChange(ClockChange {
        target: target(random),
        wall_ms: around_zero(wall_ms_max),
        rate_ppm: around_zero(ppm_max) as i32,
    })
}

fn isolate(random: &SeededRandom, _: &Setup) -> Fault {
    let (direction, clients) = (direction(random), random.one_in(4));
    Fault::Isolate(Isolate { target: target(random), direction, clients })
}

fn split(random: &SeededRandom, _: &Setup) -> Fault {
    let leader = Target::Leader(which(random));
    Fault::Split(Split {
        nodes: random.next_u64(),
        clients: random.next_u64(),
        to_minority: random.one_in(2).then_some(leader),
        direction: direction(random),
    })
}

fn swizzle(random: &SeededRandom, _: &Setup) -> Fault {
    let (nodes, turn, gap_ms) = (random.next_u64(), random.below(8), random.below(500));
    Fault::Swizzle(Swizzle { nodes, turn, gap_ms })
}

fn weather(random: &SeededRandom, _: &Setup) -> Fault {
    Fault::Weather(Weather {
        target: random.one_in(2).then(|| target(random)),
        lost_percent: [0, 5, 30][random.below(3) as usize],
        repeated_percent: [0, 5, 30][random.below(3) as usize],
        slower_ms_max: [0, 50, 500][random.below(3) as usize],
    })
}

/// The kinds of messages between replicas.
const PEER_KINDS: u64 = 8;

fn kind_trouble(random: &SeededRandom, _: &Setup) -> Fault {
    let kind = match random.below(PEER_KINDS + 2) {
        0 => Kind::Client,
        1 => Kind::Join,
        other => Kind::Peer((other - 1) as u8),
    };
    Fault::KindTrouble(KindTrouble {
        kind,
        answers: random.one_in(2),
        lost_percent: [0, 20, 100][random.below(3) as usize],
        slower_ms_max: [0, 100, 2_000][random.below(3) as usize],
    })
}

fn add_node(_: &SeededRandom, _: &Setup) -> Fault {
    Fault::AddNode(AddNode {})
}

fn remove_node(random: &SeededRandom, _: &Setup) -> Fault {
    Fault::RemoveNode(RemoveNode { target: target(random) })
}

fn set_voters(random: &SeededRandom, _: &Setup) -> Fault {
    Fault::SetVoters(SetVoters { nodes: random.next_u64() })
}

fn transfer(random: &SeededRandom, _: &Setup) -> Fault {
    Fault::Transfer(Transfer { which: which(random), to: target(random) })
}

fn snapshot(random: &SeededRandom, _: &Setup) -> Fault {
    Fault::Snapshot(Snapshot { which: which(random) })
}

// Which groups there are is written down in `Which`.
const _: () = assert!(GROUPS.len() == 2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_its_schedule_and_every_kind_is_drawn() {
        let mut names = std::collections::BTreeSet::new();
        for seed in 0..500 {
            let setup = Setup::draw(seed, "register");
            let schedule = Schedule::draw(&setup);
            assert_eq!(schedule, Schedule::draw(&setup));
            for event in &schedule.events {
                let text = format!("{:?}", event.fault);
                names.insert(text.split('(').next().unwrap().to_owned());
            }
        }
        assert_eq!(names.len(), KINDS.len(), "{names:?}");
    }

    #[test]
    fn a_schedule_survives_an_artifact() {
        let schedule = Schedule::draw(&Setup::draw(7, "register"));
        let text = serde_json::to_string(&schedule).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), schedule);
    }
}
