//! The process that works on a directory until it is killed.
#![allow(
    clippy::disallowed_methods,
    reason = "a process that kills itself some microseconds from now needs a thread and the clock"
)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aspen_core::codec;
use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};
use serde::{Deserialize, Serialize};

use super::history::History;
use super::power::take_photo;
use crate::state::fault_point::FaultPoint;
use crate::state::sqlite::SqliteStateMachine;
use crate::state::sqlite::tests::support::open;
use crate::state::{AppliedState, StateMachine};

/// Names the place of such a process, where its orders are.
const PLACE: &str = "ASPEN_TEST_CRASH_PLACE";

/// Entries that one call applies.
const ENTRIES_PER_CALL: u64 = 3;

/// What the process shall do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    /// Which history.
    pub(super) seed: u64,
    pub(super) entries: usize,
    /// Flush and build a snapshot after so many calls; never when 0.
    pub(super) calls_per_flush: u64,
    pub(super) calls_per_snapshot: u64,
    /// Install this snapshot half way to where it stands.
    pub(super) install: Option<(PathBuf, u64)>,
    pub(super) end: End,
}

/// What ends it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum End {
    /// It comes to the end of its history.
    Itself,
    /// A kill, so many microseconds after it reached a point for the `nth` time.
    Killed { point: String, nth: u64, after_us: u64 },
    /// A kill some time after its start.
    KilledAfter { after_us: u64 },
    /// The kernel, in the middle of the first write beyond this length of any file.
    FileBytes(u64),
    /// As `Itself`, with photos of the directory at every point on the way.
    Photographed,
}

impl Orders {
    /// Writes and flushes a history.
    pub(super) fn write(seed: u64, end: End) -> Self {
        let (calls_per_flush, calls_per_snapshot) = (5, 0);
        Self { seed, entries: 120, calls_per_flush, calls_per_snapshot, install: None, end }
    }
}

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It came to the end of its history.
    Finished,
    /// It was killed.
    Killed,
}

/// What the process said before it ended, in entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The state up to here is durable.
    pub(super) promised: u64,
    /// Nothing beyond this was applied.
    pub(super) told: u64,
}

/// A directory for such a process: its state, what it says and its photos, beside each other.
pub(super) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(super) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(super) fn photos(&self) -> PathBuf {
        self.dir.path().join("photos")
    }

    fn progress_file(&self) -> PathBuf {
        self.dir.path().join("progress")
    }

    /// Starts the process and waits for its end.
    pub(super) fn run(&self, orders: &Orders) -> Exit {
        let encoded = codec::encode(orders).unwrap();
        std::fs::write(self.dir.path().join("orders"), encoded).unwrap();
        let name = "state::sqlite::tests::crash::child::work_until_killed";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--ignored", "--nocapture"])
            .env(PLACE, self.dir.path())
            .output()
            .unwrap();
        let killed = [Signal::KILL, Signal::XFSZ].map(|signal| Some(signal.as_raw()));
        if killed.contains(&output.status.signal()) {
            return Exit::Killed;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{orders:?}: {}\n{said}", output.status);
        assert!(self.progress() != Progress::default(), "{orders:?}: it did nothing\n{said}");
        Exit::Finished
    }

    /// What the processes in this place have said so far.
    pub(super) fn progress(&self) -> Progress {
        parse_progress(&std::fs::read_to_string(self.progress_file()).unwrap_or_default())
    }
}

pub(super) fn parse_progress(text: &str) -> Progress {
    let mut progress = Progress::default();
    // A kill may cut the last line short.
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let (word, index) = line.split_once(' ').unwrap();
        let index = index.parse().unwrap();
        match word {
            "promised" => progress.promised = progress.promised.max(index),
            _ => progress.told = progress.told.max(index),
        }
    }
    progress
}

fn index(applied: &AppliedState) -> u64 {
    applied.position.as_ref().map_or(0, |at| at.index.get())
}

/// Says how far the process has come; what it says survives it.
struct Diary(File);

impl Diary {
    fn say(&mut self, word: &str, index: u64) {
        self.0.write_all(format!("{word} {index}\n").as_bytes()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that other tests start and kill"]
async fn work_until_killed() {
    let Some(dir) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    let orders: Orders = codec::decode(&std::fs::read(dir.join("orders")).unwrap()).unwrap();
    let file = OpenOptions::new().create(true).append(true).open(dir.join("progress")).unwrap();
    prepare_end(&dir, &orders.end);
    let history = History::new(orders.seed, orders.entries);
    work(&dir.join("state"), &orders, &history, Diary(file)).await;
}

async fn work(dir: &Path, orders: &Orders, history: &History, mut diary: Diary) {
    let machine = open(dir);
    let mut next = index(&machine.applied());
    let mut calls = 0;
    while next < history.end() {
        if let Some((file, covers)) = orders.install.as_ref().filter(|(_, upto)| next < *upto)
            && next >= covers / 2
        {
            next = install(&machine, file, *covers, &mut diary).await;
            continue;
        }
        let upto = history.end().min(next + ENTRIES_PER_CALL);
        diary.say("told", upto);
        machine.apply(history.between(next, upto).to_vec()).await.unwrap();
        (next, calls) = (upto, calls + 1);
        if is_due(calls, orders.calls_per_flush) {
            diary.say("promised", index(&machine.flush().await.unwrap()));
        }
        if is_due(calls, orders.calls_per_snapshot) {
            diary.say("promised", index(&machine.build_snapshot().await.unwrap().applied));
        }
    }
    machine.close().await.unwrap();
    diary.say("promised", history.end());
}

fn is_due(calls: u64, every: u64) -> bool {
    every != 0 && calls.is_multiple_of(every)
}

async fn install(machine: &SqliteStateMachine, file: &Path, covers: u64, diary: &mut Diary) -> u64 {
    let incoming = machine.incoming_path();
    std::fs::copy(file, &incoming).unwrap();
    diary.say("told", covers);
    let installed = index(&machine.install_snapshot(incoming).await.unwrap());
    diary.say("promised", installed);
    installed
}

fn prepare_end(dir: &Path, end: &End) {
    match end.clone() {
        End::Itself => {}
        End::Killed { point, nth, after_us } => {
            let reached = AtomicU64::new(0);
            FaultPoint::arm(move |at| {
                let matches = format!("{at:?}") == point;
                if matches && reached.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                    kill_after(after_us);
                }
            });
        }
        End::KilledAfter { after_us } => kill_after(after_us.max(1)),
        End::FileBytes(bytes) => {
            let limit = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
            setrlimit(Resource::Core, limit(0)).unwrap();
            setrlimit(Resource::Fsize, limit(bytes)).unwrap();
        }
        End::Photographed => {
            let dir = dir.to_owned();
            FaultPoint::arm(move |at| take_photo(&dir, at));
        }
    }
}

/// Kills this process: now, or while it goes on.
fn kill_after(after_us: u64) {
    let kill = move || {
        // A sleep would end a scheduler's tick late; this ends within a microsecond.
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(after_us) {
            std::hint::spin_loop();
        }
        kill_process(getpid(), Signal::KILL).unwrap();
    };
    match after_us {
        0 => {
            kill();
            // The signal is on its way; nothing more may happen here.
            loop {
                std::thread::park();
            }
        }
        _ => drop(std::thread::spawn(kill)),
    }
}
