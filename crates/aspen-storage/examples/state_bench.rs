//! Measures the SQLite state machine: `cargo run --release -p aspen-storage --example state_bench
//! [-- KEYS SECONDS HEAD_MIB MMAP_MIB]`. Prints figures; asserts nothing about them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark stops at the first failure")]

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    Command, GroupId, Key, KeyRange, LogIndex, Operation, Proposal, ProposalBatch, Revision,
    ScanRequest, Transaction, Value, codec, runtime,
};
use aspen_storage::state::{SqliteStateMachine, StateOptions};
use aspen_storage::{Entry, EntryPayload, Position, StateMachine};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const VALUE_BYTES: usize = 256;
const BATCH: usize = 64;
/// History kept, in changes: what five minutes keep on a slower store, scaled down.
const HISTORY: u64 = 500_000;

struct Bench {
    machine: Arc<SqliteStateMachine>,
    rng: StdRng,
    keys: u32,
    index: u64,
}

impl Bench {
    fn key(number: u32) -> Key {
        Key::new(format!("bench/user-{number:012}").into_bytes()).unwrap()
    }

    fn entry(&mut self, numbers: impl Iterator<Item = u32>) -> Entry {
        self.index += 1;
        let mut proposals: Vec<_> = numbers
            .map(|number| {
                let mut value = vec![0; VALUE_BYTES];
                self.rng.fill(&mut value[..]);
                let put = Operation::put(Self::key(number), Value::new(value).unwrap());
                let transaction = Transaction { success: vec![put], ..Transaction::default() };
                Proposal { session: None, command: Command::Transaction(transaction) }
            })
            .collect();
        let revision = self.machine.revision().get();
        if self.index.is_multiple_of(1000) && revision > HISTORY {
            let horizon = Revision::new(revision - HISTORY);
            proposals.push(Proposal { session: None, command: Command::Compact { horizon } });
        }
        let batch = ProposalBatch { time_ms: self.index, proposals };
        let position = Position { index: LogIndex::new(self.index), marker: Bytes::from("marker") };
        Entry { position, payload: EntryPayload::Batch(codec::encode(&batch).unwrap()) }
    }

    async fn load(&mut self) {
        let start = runtime::now();
        let mut next = 0;
        while next < self.keys {
            let entry = self.entry(next..(next + 256).min(self.keys));
            self.machine.apply(vec![entry]).await.unwrap();
            next += 256;
        }
        self.machine.flush().await.unwrap();
        rate("load in key order", self.keys.into(), start.elapsed());
    }

    async fn upserts(&mut self, duration: Duration) {
        let start = runtime::now();
        let mut busy = Duration::ZERO;
        let (mut count, mut slowest) = (0u64, Duration::ZERO);
        while start.elapsed() < duration {
            let numbers: Vec<_> = (0..BATCH).map(|_| self.rng.random_range(0..self.keys)).collect();
            let entry = self.entry(numbers.into_iter());
            let one = runtime::now();
            self.machine.apply(vec![entry]).await.unwrap();
            slowest = slowest.max(one.elapsed());
            busy += one.elapsed();
            count += BATCH as u64;
        }
        rate("random upserts, batches of 64", count, busy);
        println!("  slowest batch {slowest:?}, head {} KiB", self.machine.head_bytes() / 1024);
        let flush = runtime::now();
        self.machine.flush().await.unwrap();
        println!("  last flush {:?}", flush.elapsed());
        rate("random upserts with the last flush", count, busy + flush.elapsed());
    }

    async fn reads(&mut self, what: &str, batch: usize, at: Option<Revision>) {
        let start = runtime::now();
        let calls = 200_000 / batch.max(10);
        for _ in 0..calls {
            let keys = (0..batch).map(|_| Self::key(self.rng.random_range(0..self.keys))).collect();
            let reply = self.machine.read(vec![(keys, at)]).await.pop().unwrap().unwrap();
            assert!(reply.values.iter().all(Option::is_some));
        }
        rate(what, (calls * batch) as u64, start.elapsed());
    }

    async fn scans(&mut self, what: &str) {
        let start = runtime::now();
        let calls = 5_000;
        for _ in 0..calls {
            let from = Self::key(self.rng.random_range(0..self.keys - 100));
            let range = KeyRange::from_key(from.into_bytes());
            let request = ScanRequest { limit: 100, ..ScanRequest::new(range) };
            let page = self.machine.scan(request, None).await.unwrap();
            assert_eq!(page.entries.len(), 100);
        }
        rate(what, calls, start.elapsed());
    }
}

fn rate(what: &str, count: u64, elapsed: Duration) {
    let seconds = elapsed.as_secs_f64();
    let each = seconds * 1e6 / count as f64;
    println!("{what}: {:.0}/s, {each:.2} us each, {seconds:.2} s", count as f64 / seconds);
}

fn argument(place: usize, default: u32) -> u32 {
    std::env::args().nth(place).map_or(default, |text| text.parse().unwrap())
}

#[tokio::main]
async fn main() {
    let (keys, seconds, head_mib) = (argument(1, 100_000), argument(2, 10), argument(3, 16));
    let group = GroupId::META;
    let options = StateOptions {
        head_bytes_max: head_mib as usize * 1024 * 1024,
        mmap_bytes: u64::from(argument(4, 0)) * 1024 * 1024,
        ..StateOptions::default()
    };
    let dir = tempfile::tempdir_in(".").unwrap();
    println!("{keys} keys of {VALUE_BYTES} bytes, head of {head_mib} MiB");
    let machine = SqliteStateMachine::open(dir.path(), group, options.clone()).unwrap();
    let mut bench = Bench { machine, rng: StdRng::seed_from_u64(1), keys, index: 0 };
    bench.load().await;
    bench.reads("point reads of the body, one a call", 1, None).await;
    bench.reads("point reads of the body, 64 a call", 64, None).await;
    bench.scans("scans of 100, all in the body").await;
    bench.upserts(Duration::from_secs(seconds.into())).await;
    for _ in 0..400 {
        let numbers: Vec<_> = (0..BATCH).map(|_| bench.rng.random_range(0..keys)).collect();
        let entry = bench.entry(numbers.into_iter());
        bench.machine.apply(vec![entry]).await.unwrap();
    }
    println!("head {} KiB", bench.machine.head_bytes() / 1024);
    memory();
    bench.scans("scans of 100 over head and body").await;
    let past = Revision::new(bench.machine.revision().get() - 100_000);
    bench.reads("point reads 100,000 revisions back, 64 a call", 64, Some(past)).await;
    let start = runtime::now();
    let file = bench.machine.build_snapshot().await.unwrap();
    println!("snapshot of {} MiB: {:?}", file.len_bytes >> 20, start.elapsed());
    let copy = bench.machine.incoming_path();
    std::fs::copy(&file.path, &copy).unwrap();
    let start = runtime::now();
    bench.machine.install_snapshot(copy).await.unwrap();
    println!("install: {:?}", start.elapsed());
    drop(bench);
    let start = runtime::now();
    let machine = SqliteStateMachine::open(dir.path(), group, options).unwrap();
    println!("open without a clean close, predecessor's end included: {:?}", start.elapsed());
    machine.close().await.unwrap();
    memory();
}

fn memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let lines = status.lines().filter(|line| {
        ["VmHWM", "RssAnon", "RssFile"].contains(&&line[..line.find(':').unwrap_or(0)])
    });
    println!("{}", lines.collect::<Vec<_>>().join(", ").replace('\t', " "));
}
