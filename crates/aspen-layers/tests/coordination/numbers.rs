//! Counters and sequences.

use std::collections::BTreeSet;

use aspen_layers::coordination::SEQUENCE_BLOCK_MAX;
use futures_util::future::join_all;

use crate::process::{Process, below};

#[tokio::test(start_paused = true)]
async fn a_counter_adds_up_what_all_add_and_answers_each_sum() {
    let process = Process::default();
    let counter = process.coordinator().counter("visits").unwrap();
    assert_eq!(counter.get().await.unwrap(), 0);
    let adding = (1..=20).map(|number| {
        let counter = process.other().coordinator().counter("visits").unwrap();
        async move { counter.add(number).await.unwrap() }
    });
    let sums = join_all(adding).await;
    assert_eq!(counter.get().await.unwrap(), 210);
    assert_eq!(sums.iter().collect::<BTreeSet<_>>().len(), 20, "{sums:?}");
    assert_eq!(counter.add(-211).await.unwrap(), -1);
    counter.reset().await.unwrap();
    assert_eq!(counter.add(0).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sequence_gives_no_number_twice_whatever_the_blocks() {
    let process = Process::default();
    let clients = (0..6).map(|client| {
        let block = 1 + below(7) as u32;
        let sequence = process.other().coordinator().sequence("ids", block).unwrap();
        async move {
            // Clones share a block.
            let sequences = [sequence.clone(), sequence];
            let mut given = Vec::new();
            for number in 0..15 {
                given.push(sequences[(number + client) % 2].next().await.unwrap());
            }
            assert!(given.is_sorted(), "{given:?}");
            given
        }
    });
    let given: Vec<u64> = join_all(clients).await.concat();
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len());
}

#[tokio::test(start_paused = true)]
async fn a_sequence_with_blocks_of_one_has_no_gaps() {
    let process = Process::default();
    let sequence = process.coordinator().sequence("ids", 1).unwrap();
    for expected in 0..5 {
        let other = process.other().coordinator().sequence("ids", 1).unwrap();
        assert_eq!(sequence.next().await.unwrap(), 2 * expected);
        assert_eq!(other.next().await.unwrap(), 2 * expected + 1);
    }
    let error = process.coordinator().sequence("ids", SEQUENCE_BLOCK_MAX + 1).unwrap_err();
    assert!(error.to_string().contains("SEQUENCE_BLOCK_MAX"), "{error}");
    assert!(process.coordinator().sequence("ids", 0).is_err());
}
