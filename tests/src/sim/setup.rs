//! What a run is made of, drawn from its seed.

use aspen_client::ClientOptions;
use aspen_raft::RaftOptions;
use aspen_storage::state::HEAD_BYTES_MIN;
use aspen_storage::{LogOptions, StateOptions};
use serde::{Deserialize, Serialize};

use super::network::Latency;
use crate::workload::SeededRandom;

/// Where a node's state lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum StateKind {
    /// In memory; what is applied is durable at once.
    Memory,
    /// In SQLite files in a directory.
    Sqlite(StateOptions),
}

/// Everything about a run but its faults.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// The seed of every choice during the run.
    pub(crate) seed: u64,
    /// The workload's name.
    pub(crate) workload: String,
    /// Nodes at the start.
    pub(crate) nodes: u64,
    /// Clients.
    pub(crate) clients: u64,
    /// How long clients run while faults go on, in simulated milliseconds.
    pub(crate) run_ms: u64,
    /// The longest pause of a client between two requests, in milliseconds.
    pub(crate) think_ms_max: u64,
    pub(crate) raft: RaftOptions,
    pub(crate) log: LogOptions,
    pub(crate) state: StateKind,
    pub(crate) client: ClientOptions,
    pub(crate) latency: Latency,
    /// How long a step of disk work takes, at most, in microseconds.
    pub(crate) disk_us_max: u64,
    /// How likely a rare path is taken up in this run, and then each time, in thousandths.
    pub(crate) buggify_per_mille: (u32, u32),
    /// The planted bug.
    pub(crate) plant: Option<String>,
}

impl Setup {
    /// The setup of a seed.
    pub(crate) fn draw(seed: u64, workload: &str) -> Self {
        let random = SeededRandom::new(seed ^ 0x5e70);
        let nodes = [1, 3, 3, 3, 3, 5, 5, 7][random.below(8) as usize];
        Self {
            seed,
            workload: workload.to_owned(),
            nodes,
            clients: 2 + random.below(4),
            run_ms: 15_000 + random.below(15_000),
            think_ms_max: [20, 100, 400][random.below(3) as usize],
            raft: raft(&random),
            log: log(&random),
            state: state(&random),
            client: client(&random),
            latency: latency(&random),
            disk_us_max: [0, 2_000, 10_000][random.below(3) as usize],
            buggify_per_mille: [(0, 0), (250, 50), (500, 10)][random.below(3) as usize],
            plant: None,
        }
    }

    /// Whether clients read by the leader's lease, and so rely on clocks that run alike.
    pub(crate) fn trusts_leases(&self) -> bool {
        matches!(self.workload.as_str(), "lease_register" | "mixed")
    }
}

fn raft(random: &SeededRandom) -> RaftOptions {
    let election_ms_min = [300, 600, 1_500][random.below(3) as usize];
    RaftOptions {
        heartbeat_ms: election_ms_min / (3 + random.below(3)),
        election_ms_min,
        election_ms_max: election_ms_min * 2,
        vote_timeout_ms: election_ms_min / (2 + random.below(2)),
        append_timeout_ms: 1_000 + random.below(4_000),
        install_timeout_ms: 20_000,
        operations_in_flight_max: [4, 1_000][random.below(2) as usize],
        batch_proposals_max: [1, 8, 512][random.below(3) as usize],
        batches_in_flight_max: 1 + random.below(6) as usize,
        history_ms: [2_000, 15_000, 300_000][random.below(3) as usize],
        log_bytes_kept: [2_000, 20_000, 32 << 20][random.below(3) as usize],
        entry_cache_bytes: [0, 10_000, 8 << 20][random.below(3) as usize],
        overlap_syncs: random.one_in(2),
        ..RaftOptions::default()
    }
}

fn log(random: &SeededRandom) -> LogOptions {
    LogOptions {
        cache_bytes: [64 << 10, 8 << 20][random.below(2) as usize],
        batch_max: [1, 16, 1_024][random.below(3) as usize],
        purge_chunk_rows: [1, 100, 4_096][random.below(3) as usize],
        disk_reserve_bytes: 1 << 20,
        ..LogOptions::default()
    }
}

fn state(random: &SeededRandom) -> StateKind {
    if random.one_in(2) {
        return StateKind::Memory;
    }
    StateKind::Sqlite(StateOptions {
        head_bytes_max: HEAD_BYTES_MIN << random.below(4),
        flush_interval_ms: [50, 500, 5_000][random.below(3) as usize],
        readers: 1 + random.below(2) as usize,
        warm_bytes_max: [0, 10_000, 32 << 20][random.below(3) as usize],
        writer_cache_bytes: 256 << 10,
        reader_cache_bytes: 256 << 10,
        ..StateOptions::default()
    })
}

fn client(random: &SeededRandom) -> ClientOptions {
    ClientOptions {
        request_timeout_ms: [2_000, 5_000, 10_000][random.below(3) as usize],
        attempt_timeout_ms: [500, 1_000, 3_000][random.below(3) as usize],
        refresh_ms: [1_000, 30_000][random.below(2) as usize],
        ..ClientOptions::default()
    }
}

fn latency(random: &SeededRandom) -> Latency {
    Latency {
        least_us: [0, 100, 1_000][random.below(3) as usize],
        spread_us: [100, 1_000, 5_000][random.below(3) as usize],
        spikes_per_mille: [0, 5, 20][random.below(3) as usize],
        spike_ms_max: 300,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setup_is_valid_and_survives_an_artifact() {
        for seed in 0..1_000 {
            let setup = Setup::draw(seed, "register");
            setup.raft.validate().unwrap();
            setup.client.validate().unwrap();
            if let StateKind::Sqlite(options) = &setup.state {
                options.validate().unwrap();
            }
            let text = serde_json::to_string(&setup).unwrap();
            let back: Setup = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&back).unwrap(), text);
        }
    }
}
