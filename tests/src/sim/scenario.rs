//! Dangers of consensus as scenarios of their own.
//!
//! Each repeats, against a cluster of three, the few faults that bring one danger about. Aspen's
//! settings must survive it; where the protection can be switched off, the danger must be found
//! then.

use aspen_raft::RaftOptions;

use super::cluster::Crash;
use super::nemesis::{
    CrashOne, Direction, DiskSlow, Event, Fault, Isolate, Schedule, Target, Transfer, Which,
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

    /// The planted bug that it finds, where there is one.
    pub fn bug(self) -> Option<&'static str> {
        match self {
            Self::LeaderRestore => Some("leader-restore"),
            Self::ApplyAheadOfLog | Self::AnswerAheadOfLog | Self::ForgottenLease => None,
        }
    }

    /// The plan of a seed, with or without the bug.
    pub fn plan(self, seed: u64, planted: bool) -> Plan {
        let plant = self.bug().filter(|_| planted).map(str::to_owned);
        let setup = Setup { plant, ..self.setup(seed) };
        let rounds = (setup.run_ms / ROUND_MS).saturating_sub(1);
        let events = (0..rounds).flat_map(|round| self.round(500 + round * ROUND_MS)).collect();
        Plan { setup, schedule: Schedule { events } }
    }

    fn setup(self, seed: u64) -> Setup {
        let workload = match self {
            Self::ForgottenLease => "lease_register",
            _ => "register",
        };
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
        let isolate = |clients| {
            let direction = Direction::Both;
            Fault::Isolate(Isolate { target: leader, direction, clients })
        };
        match self {
            Self::LeaderRestore => {
                vec![event(0, 700, slow(50, 200)), event(650, 1, crash(leader, Crash::PowerFailed))]
            }
            Self::ApplyAheadOfLog => vec![
                event(0, 900, slow(100, 300)),
                event(800, 50, crash(leader, Crash::PowerFailed)),
            ],
            Self::AnswerAheadOfLog => vec![
                event(0, 1_200, slow(300, 600)),
                event(
                    300,
                    1,
                    Fault::Transfer(Transfer {
                        which: Which::Data,
                        to: Target::Other(Which::Data, at_ms),
                    }),
                ),
                event(600, 50, crash(Target::Nth(0), Crash::PowerFailed)),
                event(600, 50, crash(Target::Nth(1), Crash::PowerFailed)),
            ],
            Self::ForgottenLease => vec![
                event(0, 1_500, isolate(false)),
                event(20, 1, crash(Target::Other(Which::Data, 0), Crash::Killed)),
                event(20, 1, crash(Target::Other(Which::Data, 1), Crash::Killed)),
            ],
        }
    }
}

/// How often a scenario repeats itself, in milliseconds.
const ROUND_MS: u64 = 3_000;
