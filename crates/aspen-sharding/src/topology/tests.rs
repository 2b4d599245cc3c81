#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn nodes(ids: &[u64]) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId::new).collect()
}

fn founding(count: u16, ids: &[u64]) -> Topology {
    Topology::founding(ShardCount::new(count).unwrap(), &nodes(ids)).unwrap()
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Vec<ShardPlacement>), why: &str) {
    let mut shards = founding(3, &[1, 2]).shards;
    change(&mut shards);
    let error = Topology::new(Epoch::FIRST, shards).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_new_cluster_has_every_shard_everywhere() {
    let topology = founding(4, &[3, 1, 2]);
    assert_eq!((topology.epoch(), topology.router().count().get()), (Epoch::FIRST, 4));
    assert_eq!(topology.shards_of(NodeId::new(3)).count(), 4);
    assert_eq!(topology.shards_of(NodeId::new(4)).count(), 0);
    let last = topology.placement(ShardId::new(3)).unwrap();
    assert_eq!(last.group, GroupId::shard(ShardId::new(3)));
    assert_eq!(topology.placement(ShardId::new(4)), None);
}

#[test]
fn a_shard_in_preparation_owns_no_key() {
    let mut shards = founding(3, &[1]).shards;
    shards[2].state = ShardState::Preparing;
    let topology = Topology::new(Epoch::FIRST.next(), shards).unwrap();
    assert_eq!((topology.shards().len(), topology.router().count().get()), (3, 2));
}

#[test]
fn what_breaks_a_rule_is_refused_by_name() {
    refused(Vec::clear, "no shard is active");
    refused(|shards| shards.swap(0, 1), "shard 1 is in the place of shard 0");
    refused(|shards| shards[1].group = GroupId::META, "shard 1 names the meta group");
    refused(|shards| shards[1].group = shards[0].group, "shard 1 shares its group");
    refused(|shards| shards[2].replicas.clear(), "SHARD_REPLICAS_MAX");
    refused(|shards| shards[2].replicas.extend((3..9).map(NodeId::new)), "has 8 replicas");
    refused(|shards| shards[2].replicas.push(NodeId::new(2)), "a node twice");
    refused(|shards| shards[2].replicas.reverse(), "out of order");
    refused(|shards| shards[2].replicas.insert(0, NodeId::new(0)), "names node 0");
    refused(|shards| shards[0].state = ShardState::Preparing, "shard 1 is active after");
    let epoch = Topology::new(Epoch::new(0), founding(1, &[1]).shards).unwrap_err();
    assert!(epoch.to_string().contains("epochs begin at 1"));
    let last = founding(256, &[1]).shards.pop().unwrap();
    refused(|shards| shards.extend(vec![last; 254]), "257 shards; at most 256");
}

#[test]
fn golden_bytes() {
    let mut shards = founding(2, &[1, 300]).shards;
    shards[1].state = ShardState::Preparing;
    let topology = Topology::new(Epoch::new(7), shards).unwrap();
    let bytes = topology.encode().unwrap();
    let hex = "01 07 02 00 01 02 01 fb2c01 00 01 02 02 01 fb2c01 01".replace(' ', "");
    assert_eq!(data_encoding::HEXLOWER.encode(&bytes), hex);
    assert_eq!(Topology::decode(&bytes).unwrap(), topology);
}

#[test]
fn what_is_no_topology_is_refused() {
    let bytes = founding(2, &[1]).encode().unwrap();
    for cut in 0..bytes.len() {
        assert!(Topology::decode(&bytes[..cut]).is_err(), "{cut} bytes");
    }
    let mut newer = bytes.to_vec();
    newer[0] = 2;
    let error = Topology::decode(&newer).unwrap_err();
    assert!(matches!(error, TopologyDecodeError::UnknownFormat(2)), "{error}");
    let mut meta = bytes.to_vec();
    meta[4] = 0;
    let error = Topology::decode(&meta).unwrap_err();
    assert!(matches!(error, TopologyDecodeError::Invalid(_)), "{error}");
    // Announces more shards than there may be, and must not wait for them.
    let many = [1, 1, 0xfb, 0xff, 0xff];
    let error = Topology::decode(&many).unwrap_err().to_string();
    assert!(error.contains("SHARD_COUNT_MAX"), "{error}");
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        count in 1..=256_u16,
        ids in prop::collection::btree_set(1..99_u64, 1..=7),
    ) {
        let ids: Vec<u64> = ids.into_iter().collect();
        let topology = founding(count, &ids);
        prop_assert_eq!(Topology::decode(&topology.encode().unwrap()).unwrap(), topology);
    }

    #[test]
    fn no_bytes_make_the_decoder_fail_badly(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(topology) = Topology::decode(&bytes) {
            prop_assert!(Topology::new(topology.epoch(), topology.shards().to_vec()).is_ok());
        }
    }
}
