//! Finding nodes and leaders while the cluster changes.

use aspen_core::{ControlError, ControlRequest, KeyValueStore, NodeId, Rights, runtime};
use aspen_net::CallError;

use super::fake::{FakeCluster, key, shard, value};

#[tokio::test(start_paused = true)]
async fn the_client_outlives_every_node_of_its_ticket() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    client.set(key("a"), value("1")).await.unwrap();
    client.status().await.unwrap();
    {
        let mut script = cluster.script.lock();
        script.down = [1].into();
        script.nodes = vec![2, 3, 4];
        script.leader = Some(2);
    }
    client.set(key("b"), value("2")).await.unwrap();
    client.status().await.unwrap();
    {
        let mut script = cluster.script.lock();
        script.down = [1, 2, 3].into();
        script.leader = Some(4);
    }
    client.set(key("c"), value("3")).await.unwrap();
    assert_eq!(*cluster.data_calls().last().unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_hints_is_found_through_the_status() {
    let cluster = FakeCluster::three();
    {
        let mut script = cluster.script.lock();
        script.leader = Some(3);
        script.hide_leader = true;
    }
    let client = cluster.client(&[1]);
    client.set(key("k"), value("v")).await.unwrap();
    assert_eq!(*cluster.data_calls().last().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn steady_writes_go_straight_to_the_leader() {
    let cluster = FakeCluster::three();
    cluster.script.lock().leader = Some(2);
    let client = cluster.client(&[1, 2, 3]);
    client.set(key("warm"), value("up")).await.unwrap();
    let before = cluster.data_calls().len();
    for _ in 0..10 {
        client.set(key("k"), value("v")).await.unwrap();
    }
    assert_eq!(cluster.data_calls()[before..], [2; 10]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_fail_together_cause_few_refreshes() {
    let cluster = FakeCluster::three();
    cluster.script.lock().leader = None;
    let options =
        crate::ClientOptions { request_timeout_ms: 1_000, ..crate::ClientOptions::default() };
    let client = cluster.client_with(&[1, 2, 3], options);
    let reads: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            runtime::spawn(async move { client.get(key("k")).await })
        })
        .collect();
    for read in reads {
        read.await.unwrap().unwrap_err();
    }
    let script = cluster.script.lock();
    let refreshes = script
        .calls
        .iter()
        .filter(|(_, request)| matches!(request, aspen_core::ClientRequest::Control(_)))
        .count();
    assert!(refreshes <= 6, "{refreshes} refreshes in one second");
}

#[tokio::test(start_paused = true)]
async fn control_requests_follow_the_leader_of_their_group() {
    let cluster = FakeCluster::three();
    cluster.script.lock().leader = Some(3);
    let client = cluster.client(&[1, 2, 3]);
    let transfer = ControlRequest::TransferLeader { group: shard(), to: NodeId::new(2) };
    client.control(transfer).await.unwrap();
    let last = cluster.script.lock().calls.last().unwrap().0;
    assert_eq!(last, 3);
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_is_lost_is_not_repeated() {
    struct Loses(std::sync::atomic::AtomicUsize);
    #[async_trait::async_trait]
    impl crate::Channel for Loses {
        async fn call(
            &self,
            _: &aspen_net::PeerAddress,
            request: aspen_core::ClientRequest,
            _: std::time::Duration,
        ) -> Result<aspen_core::ClientResponse, CallError> {
            if !matches!(request, aspen_core::ClientRequest::Control(ControlRequest::Status)) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            Err(CallError::Lost("cut".to_owned()))
        }
    }
    let channel = std::sync::Arc::new(Loses(Default::default()));
    let ticket = super::fake::ticket(&[1, 2, 3]);
    let client = crate::Client::over(channel.clone(), ticket, Default::default());
    let error =
        client.control(ControlRequest::RemoveNode { node: NodeId::new(3) }).await.unwrap_err();
    assert!(matches!(error, ControlError::Timeout(_)), "{error:?}");
    assert_eq!(channel.0.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn denial_is_final() {
    struct Denies;
    #[async_trait::async_trait]
    impl crate::Channel for Denies {
        async fn call(
            &self,
            _: &aspen_net::PeerAddress,
            _: aspen_core::ClientRequest,
            _: std::time::Duration,
        ) -> Result<aspen_core::ClientResponse, CallError> {
            Err(CallError::Denied(format!("needs {:?}", Rights::Write)))
        }
    }
    let ticket = super::fake::ticket(&[1, 2, 3]);
    let client = crate::Client::over(std::sync::Arc::new(Denies), ticket, Default::default());
    let error = client.set(key("k"), value("v")).await.unwrap_err();
    assert_eq!(error.kind(), aspen_core::ErrorKind::Denied);
    assert_eq!(error.applied, aspen_core::Applied::No);
}
