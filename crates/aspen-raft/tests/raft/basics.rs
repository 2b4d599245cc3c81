//! Electing, writing, reading.

use std::time::Duration;

use aspen_core::{
    Applied, ClusterController, Consistency, ControlError, ErrorKind, NodeId, ReadError, Revision,
    ScanRequest, WriteFailure, runtime,
};

use crate::cluster::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_elect_write_and_read_everywhere() {
    let cluster = Cluster::new(3, options()).await;
    for round in 0..20 {
        cluster.put("k", &round.to_string()).await;
        for id in cluster.ids() {
            let value = get(&cluster.group(id), "k", Consistency::Linearizable).await;
            assert_eq!(value.unwrap(), round.to_string(), "at node {id}");
        }
    }
    for id in cluster.ids() {
        assert_eq!(get(&cluster.group(id), "k", Consistency::Lease).await.unwrap(), "19");
    }
}

#[tokio::test]
async fn one_node_serves_alone() {
    let mut cluster = Cluster::new(1, options()).await;
    cluster.put("k", "v").await;
    assert_eq!(get(&cluster.group(1), "k", Consistency::Linearizable).await.unwrap(), "v");
    cluster.stop(1).await;
    // Alone, it need not keep silent: nobody else could be leading.
    cluster.start(1).await;
    cluster.leader().await;
    assert_eq!(get(&cluster.group(1), "k", Consistency::Linearizable).await.unwrap(), "v");
}

#[tokio::test]
async fn proposals_of_one_call_keep_their_order() {
    let cluster = Cluster::new(1, options()).await;
    let proposals = (0..50).map(|n| put("k", &n.to_string())).collect();
    let replies = cluster.group(1).propose(proposals).await;
    let revisions: Vec<u64> = replies
        .into_iter()
        .map(|reply| match reply.unwrap() {
            aspen_core::Reply::Transaction(outcome) => outcome.revision.get(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(revisions.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{revisions:?}");
    assert_eq!(get(&cluster.group(1), "k", Consistency::Linearizable).await.unwrap(), "49");
    assert!(cluster.group(1).propose(Vec::new()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_too_large_for_one_message_goes_in_parts() {
    let cluster = Cluster::new(3, options()).await;
    let group = cluster.group(cluster.leader().await);
    let value = "x".repeat(aspen_core::VALUE_BYTES_MAX);
    let proposals = (0..24).map(|n| put(&format!("k{n}"), &value)).collect();
    let results = group.propose(proposals).await;
    assert_eq!(results.len(), 24);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    for id in cluster.ids() {
        let found = get(&cluster.group(id), "k23", Consistency::Linearizable).await.unwrap();
        assert_eq!(found.len(), value.len());
    }
}

#[tokio::test]
async fn a_follower_says_who_leads_and_where() {
    let cluster = Cluster::new(3, options()).await;
    let leader = cluster.leader().await;
    let follower = cluster.follower().await;
    cluster.wait(follower, |metrics| metrics.leader == Some(NodeId::new(leader))).await;
    let error = propose(&cluster.group(follower), put("k", "v")).await.unwrap_err();
    assert_eq!((error.applied, error.kind()), (Applied::No, ErrorKind::Refresh));
    let WriteFailure::NotLeader(hint) = error.failure else { panic!("{error:?}") };
    assert_eq!(hint.leader, Some(NodeId::new(leader)));
    let expected = record(leader);
    assert_eq!(hint.address, Some((expected.endpoint, expected.addresses)));
    let transfer = cluster.host(follower).transfer_leader(GROUP, NodeId::new(follower)).await;
    assert!(matches!(transfer, Err(ControlError::NotLeader(_))), "{transfer:?}");
}

#[tokio::test]
async fn past_revisions_are_read_from_history() {
    let cluster = Cluster::new(3, options()).await;
    let first = cluster.put("k", "1").await.revision;
    let second = cluster.put("k", "2").await.revision;
    // A replica that lags catches up before it calls a revision unknown.
    for id in cluster.ids() {
        let group = cluster.group(id);
        assert_eq!(get(&group, "k", Consistency::AtRevision(second)).await.unwrap(), "2");
        assert_eq!(get(&group, "k", Consistency::AtRevision(first)).await.unwrap(), "1");
        let future = read(&group, "k", Consistency::AtRevision(Revision::new(99))).await;
        assert!(matches!(future, Err(ReadError::FutureRevision { .. })), "{future:?}");
    }
}

#[tokio::test]
async fn one_call_mixes_freshness_and_keeps_its_order() {
    let cluster = Cluster::new(1, options()).await;
    let first = cluster.put("k", "1").await.revision;
    cluster.put("k", "2").await;
    let request = |consistency| aspen_core::ReadRequest { keys: vec![key("k")], consistency };
    let requests = vec![
        request(Consistency::Stale),
        request(Consistency::AtRevision(Revision::new(99))),
        request(Consistency::AtRevision(first)),
        request(Consistency::Linearizable),
        aspen_core::ReadRequest {
            keys: vec![key("k"); aspen_core::READ_KEYS_MAX + 1],
            consistency: Consistency::Stale,
        },
    ];
    let replies = cluster.group(1).read(requests).await;
    let revisions: Vec<Option<u64>> = replies
        .iter()
        .map(|reply| reply.as_ref().ok().and_then(|reply| reply.values[0].as_ref()))
        .map(|found| found.map(|found| found.mod_revision.get()))
        .collect();
    let second = first.get() + 1;
    assert_eq!(revisions, [Some(second), None, Some(first.get()), Some(second), None]);
    assert!(matches!(replies[1], Err(ReadError::FutureRevision { .. })));
    assert!(matches!(replies[4], Err(ReadError::Invalid(_))));
}

#[tokio::test]
async fn a_follower_scans_linearizably_and_pages_at_one_revision() {
    let cluster = Cluster::new(3, options()).await;
    for n in 0..10 {
        cluster.put(&format!("k{n}"), "v").await;
    }
    let follower = cluster.group(cluster.follower().await);
    let mut request = ScanRequest { limit: 4, ..ScanRequest::new(aspen_core::KeyRange::all()) };
    let mut found = Vec::new();
    loop {
        let page = follower.scan(request.clone()).await.unwrap();
        found.extend(page.entries.iter().map(|entry| entry.key.to_string()));
        cluster.put("zzz", "written between the pages").await;
        match page.cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(found.len(), 10, "{found:?}");
}

#[tokio::test]
async fn too_many_proposals_are_overloaded_and_none_of_them_happens() {
    let limited = aspen_raft::RaftOptions { operations_in_flight_max: 8, ..options() };
    let cluster = Cluster::new(1, limited).await;
    let proposals = (0..9).map(|n| put("k", &n.to_string())).collect();
    for result in cluster.group(1).propose(proposals).await {
        let error = result.unwrap_err();
        assert_eq!((error.applied, error.kind()), (Applied::No, ErrorKind::Retry));
        assert!(error.to_string().contains("operations_in_flight_max"), "{error}");
    }
    assert_eq!(get(&cluster.group(1), "k", Consistency::Linearizable).await, None);
    let proposals = (0..8).map(|n| put("k", &n.to_string())).collect();
    assert!(cluster.group(1).propose(proposals).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn without_a_quorum_nothing_is_acknowledged_and_the_bound_holds() {
    let limited = aspen_raft::RaftOptions {
        operations_in_flight_max: 4,
        proposal_timeout_ms: 300,
        read_timeout_ms: 300,
        ..options()
    };
    let cluster = Cluster::new(3, limited).await;
    let leader = cluster.leader().await;
    let group = cluster.group(leader);
    cluster.network.isolate(NodeId::new(leader));
    let read = read(&group, "k", Consistency::Linearizable).await.unwrap_err();
    assert!(
        matches!(read.kind(), ErrorKind::Retry | ErrorKind::Unavailable | ErrorKind::Refresh),
        "{read:?}"
    );
    let writes: Vec<_> = (0..20)
        .map(|n| {
            let group = group.clone();
            runtime::spawn(async move { write(&group, put("k", &n.to_string())).await })
        })
        .collect();
    for write in writes {
        let error = write.await.unwrap().unwrap_err();
        let expected = match error.failure {
            WriteFailure::Overloaded(_) => Applied::No,
            WriteFailure::Timeout(_) => Applied::Maybe,
            _ => error.applied,
        };
        assert_eq!(error.applied, expected, "{error:?}");
    }
    cluster.network.heal();
    cluster.put("k", "healed").await;
}

#[tokio::test]
async fn a_caller_that_goes_away_harms_nobody() {
    let cluster = Cluster::new(3, options()).await;
    let group = cluster.group(cluster.leader().await);
    for n in 0..50 {
        let abandoned = group.propose(vec![put("abandoned", &n.to_string())]);
        let _ = runtime::timeout(Duration::from_micros(1), abandoned).await;
        let abandoned = read(&group, "k", Consistency::Linearizable);
        let _ = runtime::timeout(Duration::from_micros(1), abandoned).await;
    }
    cluster.put("k", "v").await;
    assert_eq!(get(&group, "k", Consistency::Linearizable).await.unwrap(), "v");
}
