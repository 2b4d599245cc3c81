//! The store on redb and its double in memory give the same answers to the same calls.

use std::ops::Range;

use proptest::prelude::*;

use super::fault_disk::Fault;
use super::*;
use crate::log::{LogError, MemoryLogStore};

const GROUPS: u32 = 4;

#[derive(Clone, Debug)]
enum Call {
    /// So many records, at an offset from the next position (0 is right).
    Append {
        count: u8,
        offset: u8,
        len: u16,
    },
    /// Positions back from the end.
    Truncate(u8),
    /// Positions on from the start.
    Purge(u8),
    Vote(u8),
    Committed(Option<u8>),
    Read {
        range: Range<u8>,
        bytes_max: u16,
    },
    Reopen,
}

fn calls() -> impl Strategy<Value = Vec<(u32, Call)>> {
    let call = prop_oneof![
        8 => (0u8..6, prop_oneof![9 => Just(0u8), 1 => 1u8..3], 0u16..400)
            .prop_map(|(count, offset, len)| Call::Append { count, offset, len }),
        2 => (0u8..8).prop_map(Call::Truncate),
        2 => (0u8..12).prop_map(Call::Purge),
        2 => any::<u8>().prop_map(Call::Vote),
        2 => any::<Option<u8>>().prop_map(Call::Committed),
        4 => (0u8..30, 0u8..30, any::<u16>())
            .prop_map(|(start, end, bytes_max)| Call::Read { range: start..end, bytes_max }),
        1 => Just(Call::Reopen),
    ];
    prop::collection::vec((0..GROUPS, call), 1..60)
}

/// The answer of a call, as far as the stores must agree on it.
async fn answer(log: &Arc<dyn GroupLog>, call: &Call, step: usize) -> Result<Vec<LogRecord>, bool> {
    let state = log.state();
    let purged = state.purged.map(|(upto, _)| upto.get());
    let end = state.last.map(LogIndex::get).or(purged).map_or(0, |last| last + 1);
    let byte = |byte: u8| Bytes::from(vec![byte]);
    let done = match call {
        Call::Append { count, offset, len } => {
            let first = end + u64::from(*offset);
            let payload = |index| format!("{index} {step}").repeat(usize::from(*len) / 4);
            let range = first..first + u64::from(*count);
            log.append(range.map(|index| record(index, payload(index))).collect()).await
        }
        Call::Truncate(back) => {
            log.truncate(LogIndex::new(end.saturating_sub(u64::from(*back)))).await
        }
        Call::Purge(on) => {
            let upto = purged.map_or(0, |upto| upto + 1) + u64::from(*on);
            let upto = upto.saturating_sub(2);
            log.purge(LogIndex::new(upto), Bytes::from(format!("{step}"))).await
        }
        Call::Vote(vote) => log.save_vote(byte(*vote)).await,
        Call::Committed(committed) => log.save_committed(committed.map(byte)).await,
        Call::Read { range, bytes_max } => {
            let range = u64::from(range.start)..u64::from(range.end);
            return log.read(range, usize::from(*bytes_max)).await.map_err(misuse);
        }
        Call::Reopen => Ok(()),
    };
    done.map(|()| Vec::new()).map_err(misuse)
}

fn misuse(error: LogError) -> bool {
    matches!(error, LogError::Misuse(_))
}

async fn compare(calls: Vec<(u32, Call)>) {
    let mut disk = FaultDisk::empty();
    let (mut redb, memory) = (open(&disk), MemoryLogStore::new());
    for (step, (raw, call)) in calls.iter().enumerate() {
        if matches!(call, Call::Reopen) {
            redb.close().await.unwrap();
            disk = FaultDisk::new(disk.current(), Fault::None);
            redb = open(&disk);
        }
        let (left, right) = (redb.group(group(*raw)), memory.group(group(*raw)));
        let answers = (answer(&left, call, step).await, answer(&right, call, step).await);
        assert_eq!(answers.0, answers.1, "step {step}: {call:?}");
        for raw in 0..GROUPS {
            let (left, right) = (redb.group(group(raw)), memory.group(group(raw)));
            assert_eq!(left.state(), right.state(), "step {step}: {call:?}");
            assert_eq!(left.vote(), right.vote());
            assert_eq!(left.committed(), right.committed());
        }
        assert_eq!(read_all(&left).await, read_all(&right).await, "step {step}: {call:?}");
    }
    redb.close().await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(100)
    })]
    #[test]
    fn both_stores_agree(calls in calls()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(compare(calls));
    }
}
