#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{ClusterId, ShardId};

use super::*;

const GROUP: GroupId = GroupId::shard(ShardId::new(0));

fn endpoint(node: u8) -> EndpointKey {
    EndpointKey::new([node; 32])
}

fn routes(nodes: &[u8]) -> Routes {
    let peer = |node: &u8| PeerAddress { endpoint: endpoint(*node), addresses: Vec::new() };
    let peers = nodes.iter().map(peer).collect();
    Routes::new(&Ticket { cluster: ClusterId::new([0; 16]), peers, grant: None })
}

fn hint(leader: u8) -> NotLeader {
    NotLeader {
        group: GROUP,
        leader: Some(NodeId::new(u64::from(leader))),
        address: Some((endpoint(leader), vec!["127.0.0.1:7".to_owned(), "nonsense".to_owned()])),
    }
}

#[test]
fn a_hint_names_a_leader_not_known_before_and_bad_addresses_are_left_out() {
    let routes = routes(&[1]);
    routes.not_leader(endpoint(1), &hint(5));
    let leader = routes.pick(GROUP, Affinity::Leader, &BTreeSet::new()).unwrap();
    assert_eq!(leader.endpoint, endpoint(5));
    assert_eq!(leader.addresses, ["127.0.0.1:7".parse().unwrap()]);
}

#[test]
fn a_node_that_names_itself_while_it_refuses_is_not_believed() {
    let routes = routes(&[1]);
    routes.not_leader(endpoint(1), &hint(1));
    assert!(!routes.is_leader(GROUP, endpoint(1)));
}

#[test]
fn suspects_are_asked_last_and_trusted_again_once_they_answer() {
    let routes = routes(&[1, 2]);
    routes.suspect(endpoint(1));
    for _ in 0..4 {
        let peer = routes.pick(GROUP, Affinity::Any, &BTreeSet::new()).unwrap();
        assert_eq!(peer.endpoint, endpoint(2));
    }
    let only_suspect = routes.pick(GROUP, Affinity::Any, &[endpoint(2)].into()).unwrap();
    assert_eq!(only_suspect.endpoint, endpoint(1));
    routes.answered(GROUP, endpoint(1));
    let picked: BTreeSet<_> = (0..4)
        .map(|_| routes.pick(GROUP, Affinity::Any, &BTreeSet::new()).unwrap().endpoint)
        .collect();
    assert_eq!(picked.len(), 2);
}

/// A follower goes on naming a leader that is dead until the next is elected. Each such word once
/// cost the client a second of dialling, so that it noticed the next leader a second late.
#[test]
fn a_hint_to_a_node_that_cannot_be_reached_is_not_followed() {
    let routes = routes(&[1, 2, 3]);
    routes.not_leader(endpoint(2), &hint(1));
    routes.unreachable(endpoint(1));
    routes.not_leader(endpoint(2), &hint(1));
    let tried = |nodes: &[u8]| nodes.iter().copied().map(endpoint).collect::<BTreeSet<_>>();
    for _ in 0..4 {
        let peer = routes.pick(GROUP, Affinity::Leader, &tried(&[])).unwrap();
        assert_ne!(peer.endpoint, endpoint(1));
    }
    assert!(routes.pick(GROUP, Affinity::Leader, &tried(&[2, 3])).is_none());
    routes.unreachable(endpoint(2));
    routes.unreachable(endpoint(3));
    let any = routes.pick(GROUP, Affinity::Leader, &tried(&[2, 3])).unwrap();
    assert_eq!(any.endpoint, endpoint(1), "nobody else is there");
    routes.answered(GROUP, endpoint(1));
    assert_eq!(routes.pick(GROUP, Affinity::Leader, &tried(&[])).unwrap().endpoint, endpoint(1));
}

#[test]
fn every_peer_is_asked_once_a_round() {
    let routes = routes(&[1, 2, 3]);
    let mut tried = BTreeSet::new();
    while let Some(peer) = routes.pick(GROUP, Affinity::Leader, &tried) {
        assert!(tried.insert(peer.endpoint));
    }
    assert_eq!(tried.len(), 3);
}
