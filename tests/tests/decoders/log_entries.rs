//! What a log entry carries: an entry that does not decode, or breaks a rule, changes nothing.

use aspen_core::{Command, GroupId, LogIndex, Proposal, ProposalBatch, Revision, codec};
use aspen_storage::{Entry, EntryPayload, MemoryStateMachine, Position, StateError, StateMachine};
use bytes::Bytes;

use crate::heap::watch;
use crate::hostile::{FIXED_BYTES, Hostile, bombard};
use crate::requests::{stamp, transaction};

fn batch() -> ProposalBatch {
    let client = stamp().client;
    let proposals = vec![
        Proposal { session: None, command: Command::OpenSession { client } },
        Proposal { session: Some(stamp()), command: Command::Transaction(transaction()) },
        Proposal { session: None, command: Command::Compact { horizon: Revision::new(1) } },
    ];
    ProposalBatch { time_ms: 1_700_000_000_000, proposals }
}

fn good() -> Vec<Vec<u8>> {
    vec![codec::encode(&batch()).unwrap().to_vec()]
}

#[test]
fn batches_of_proposals() {
    let mut hostile = Hostile::new(20, good());
    bombard(&mut hostile, 8_000, |bytes| codec::decode::<ProposalBatch>(bytes).map(drop));
}

fn entry(index: u64, payload: Vec<u8>) -> Entry {
    let position = Position { index: LogIndex::new(index), marker: Bytes::from_static(b"at") };
    Entry { position, payload: EntryPayload::Batch(Bytes::from(payload)) }
}

/// An entry that decodes may say anything; the state machine answers every proposal, or says that
/// the entry is corrupt and stops there.
#[tokio::test]
async fn entries_as_they_are_applied() {
    let dir = tempfile::tempdir().unwrap();
    let mut hostile = Hostile::new(21, good());
    let (mut applied, mut corrupt) = (0, 0);
    for _ in 0..1_500 {
        let machine = MemoryStateMachine::new(GroupId::META, dir.path());
        for index in 0..4 {
            let bytes = hostile.next();
            let proposals = codec::decode::<ProposalBatch>(&bytes).map(|it| it.proposals.len());
            match machine.apply(vec![entry(index, bytes)]).await {
                Ok(replies) => {
                    assert_eq!(replies[0].len(), proposals.unwrap());
                    applied += 1;
                }
                Err(StateError::Corrupt(what)) => {
                    assert!(what.contains("entry"), "{what}");
                    corrupt += 1;
                }
                Err(error) => panic!("{error}"),
            }
            assert_eq!(machine.check_integrity().await.unwrap(), Vec::<String>::new());
        }
    }
    assert!(applied > 200 && corrupt > 200, "{applied} applied, {corrupt} corrupt");
}

#[test]
fn a_flood_of_proposals_is_refused_by_its_count() {
    let count = 3_000_000u32;
    let mut bytes = vec![0, 0xfc];
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend([0, 2, 0].repeat(count as usize));
    let taken = watch(|| codec::decode::<ProposalBatch>(&bytes));
    let error = taken.result.unwrap_err().to_string();
    assert!(error.contains("BATCH_PROPOSALS_MAX"), "{error}");
    assert!(taken.peak_bytes < FIXED_BYTES, "{} bytes", taken.peak_bytes);
}
