//! What the replicas of a group tell each other: any number of messages to one replica. The first
//! byte of each is its kind, the second its length.
#![no_main]

use aspen_core::PeerRejection;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    aspen_fuzz::block_on(async {
        let replica = aspen_fuzz::Replica::open().await;
        let mut rest = bytes;
        while let [kind, len, tail @ ..] = rest {
            let (payload, next) = tail.split_at(tail.len().min(usize::from(*len)));
            let heard = replica.hear(kind % 10, payload).await;
            assert!(!matches!(heard, Err(PeerRejection::NoSuchGroup(_))), "the group is there");
            rest = next;
        }
    });
});
