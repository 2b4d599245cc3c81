//! Dangers of consensus as scenarios of their own.
//!
//! Each repeats, against a cluster of three, the few faults that bring one danger about. Aspen must
//! survive it, and without the protection the danger must be found.

use aspen_client::ClientOptions;
use aspen_raft::RaftOptions;

use super::cluster::Crash;
use super::nemesis::{
    CrashOne, Direction, DiskSlow, Event, Fault, Isolate, Schedule, Split, Target, Which,
};
use super::network::Latency;
use super::run::Plan;
use super::setup::{Setup, StateKind};

/// A danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A restarted leader that goes on in its old term gives the positions of entries that it sent
    /// but lost to other entries.
    LeaderRestore,
    /// A state machine that applies what a majority has, but its own log not yet, is ahead of the
    /// log after a restart.
    ApplyAheadOfLog,
    /// A replica whose answer covers entries that its own log has not synced takes them back when
    /// it restarts; openraft answers a snapshot that it does not need in this way.
    AnswerAheadOfLog,
    /// Followers that forget in a restart what they promised a leader elect another one while the
    /// first still answers by its lease.
    ForgottenLease,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::LeaderRestore, Self::ApplyAheadOfLog, Self::AnswerAheadOfLog, Self::ForgottenLease];

    /// The planted bug that it finds: the protection is switched off.
    pub fn bug(self) -> &'static str {
        match self {
            Self::LeaderRestore => "leader-restore",
            Self::ApplyAheadOfLog => "apply-ahead-of-log",
            Self::AnswerAheadOfLog => "answer-ahead-of-log",
            Self::ForgottenLease => "no-silence",
        }
    }

    /// The plan of a seed, with or without the bug.
    pub fn plan(self, seed: u64, planted: bool) -> Plan {
        let plant = planted.then(|| self.bug().to_owned());
        let setup = Setup { plant, ..self.setup(seed) };
        let rounds = (setup.run_ms / self.round_ms()).saturating_sub(1);
        let at_ms = |round| 500 + round * self.round_ms();
        let events = (0..rounds).flat_map(|round| self.round(at_ms(round))).collect();
        Plan { setup, schedule: Schedule { events } }
    }

    /// How often it repeats itself, in milliseconds.
    fn round_ms(self) -> u64 {
        match self {
            Self::LeaderRestore | Self::ApplyAheadOfLog => 3_000,
            Self::AnswerAheadOfLog => 5_000,
            Self::ForgottenLease => 6_000,
        }
    }

    fn setup(self, seed: u64) -> Setup {
        match self {
            Self::ForgottenLease => with_long_leases(Self::calm(seed, "lease_register")),
            _ => Self::calm(seed, "register"),
        }
    }

    /// Three nodes and busy clients that nothing troubles but the scenario.
    fn calm(seed: u64, workload: &str) -> Setup {
        let latency =
            Latency { least_us: 500, spread_us: 1_000, spikes_per_mille: 0, spike_ms_max: 0 };
        Setup {
            nodes: 3,
            clients: 4,
            run_ms: 20_000,
            think_ms_max: 20,
            raft: RaftOptions {
                heartbeat_ms: 100,
                election_ms_min: 300,
                election_ms_max: 900,
                vote_timeout_ms: 100,
                append_timeout_ms: 1_000,
                ..RaftOptions::default()
            },
            state: StateKind::Memory,
            latency,
            disk_us_max: 2_000,
            buggify_per_mille: (0, 0),
            ..Setup::draw(seed, workload)
        }
    }

    fn round(self, at_ms: u64) -> Vec<Event> {
        let leader = Target::Leader(Which::Data);
        let event = |after_ms, lasts_ms, fault| Event { at_ms: at_ms + after_ms, lasts_ms, fault };
        let slow = |ms_min, ms_max| Fault::DiskSlow(DiskSlow { target: leader, ms_min, ms_max });
        let crash = |target, how| Fault::CrashOne(CrashOne { target, how });
        let alone =
            Fault::Isolate(Isolate { target: leader, direction: Direction::Both, clients: false });
        // The leader alone with every other client.
        let split = Fault::Split(Split {
            nodes: 0,
            clients: 0b01_0101,
            to_minority: Some(leader),
            direction: Direction::Both,
        });
        match self {
            Self::LeaderRestore => {
                vec![event(0, 700, slow(50, 200)), event(650, 1, crash(leader, Crash::PowerFailed))]
            }
            Self::ApplyAheadOfLog => vec![
                event(0, 900, slow(100, 300)),
                event(800, 50, crash(leader, Crash::PowerFailed)),
            ],
            Self::AnswerAheadOfLog => vec![
                event(0, 3_200, slow(1_500, 2_500)),
                event(200, 1_900, alone),
                event(2_600, 50, crash(Target::Other(Which::Data, 0), Crash::PowerFailed)),
            ],
            Self::ForgottenLease => vec![
                event(0, 2_500, split),
                event(20, 1, crash(Target::Other(Which::Data, 0), Crash::Killed)),
                event(20, 1, crash(Target::Other(Which::Data, 1), Crash::Killed)),
            ],
        }
    }
}

/// A lease that outlives an election, and clients that soon look for another leader.
fn with_long_leases(setup: Setup) -> Setup {
    let raft = RaftOptions { heartbeat_ms: 60, election_ms_max: 4_000, ..setup.raft };
    let client = ClientOptions {
        request_timeout_ms: 2_000,
        attempt_timeout_ms: 100,
        refresh_ms: 1_000,
        ..ClientOptions::default()
    };
    Setup { clients: 6, run_ms: 30_000, think_ms_max: 5, raft, client, ..setup }
}
