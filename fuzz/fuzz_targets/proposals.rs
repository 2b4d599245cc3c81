//! What a log entry carries, and what applying it does.
#![no_main]

use aspen_core::{GroupId, LogIndex, ProposalBatch, codec};
use aspen_storage::{Entry, EntryPayload, MemoryStateMachine, Position, StateError, StateMachine};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    aspen_fuzz::check_codec::<ProposalBatch>(bytes);
    let decodes = codec::decode::<ProposalBatch>(bytes).is_ok();
    let machine = MemoryStateMachine::new(GroupId::META, std::path::Path::new("unused"));
    let position = Position { index: LogIndex::new(1), marker: Bytes::new() };
    let payload = EntryPayload::Batch(Bytes::copy_from_slice(bytes));
    let applied = aspen_fuzz::block_on(machine.apply(vec![Entry { position, payload }]));
    match applied {
        Ok(_) => assert!(decodes),
        Err(StateError::Corrupt(_)) => assert!(!decodes),
        Err(error) => panic!("{error}"),
    }
});
