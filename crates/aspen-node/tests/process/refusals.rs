//! Nodes that must not start, and what they say.

use aspen_core::Rights;
use aspen_node::{DataDirError, JoinFailure, NodeBuilder, StartError};

use crate::cluster::{Dirs, get, serving, set, value};

#[tokio::test(flavor = "multi_thread")]
async fn process_a_new_directory_needs_a_cluster() {
    let dirs = Dirs::new();
    let error = dirs.builder(1).start().await.unwrap_err();
    assert!(matches!(error, StartError::NoCluster), "{error}");
    let error = dirs.builder(1).join("asp").start().await.unwrap_err();
    assert!(matches!(error, StartError::Join(JoinFailure::Ticket(_))), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn process_another_cookie_does_not_get_in() {
    let dirs = Dirs::new();
    let node = dirs.bootstrap().await;
    let ticket = node.ticket(Rights::Admin).unwrap();
    let error = dirs.builder(2).cookie("guessed").join(ticket).start().await.unwrap_err();
    assert!(matches!(error, StartError::Join(JoinFailure::Refused(_))), "{error}");
    assert!(error.to_string().contains("cookie"), "{error}");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn process_a_directory_stays_in_its_cluster() {
    let (ours, theirs) = (Dirs::new(), Dirs::new());
    let our_node = ours.bootstrap().await;
    let their_node = theirs.bootstrap().await;
    let their_ticket = their_node.ticket(Rights::Admin).unwrap();
    our_node.shutdown().await;
    let error = ours.builder(1).join(their_ticket).start().await.unwrap_err();
    let other = matches!(error, StartError::DataDir(DataDirError::OtherCluster { .. }));
    assert!(other, "{error}");
    their_node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn process_a_directory_has_one_node_at_a_time() {
    let dirs = Dirs::new();
    let node = dirs.bootstrap().await;
    let error = dirs.builder(1).start().await.unwrap_err();
    assert!(matches!(error, StartError::DataDir(DataDirError::InUse { .. })), "{error}");
    node.shutdown().await;
    let other = NodeBuilder::new(2, dirs.dir(1)).cookie("c").start().await.unwrap_err();
    assert!(matches!(other, StartError::DataDir(DataDirError::OtherNode { .. })), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn process_an_id_belongs_to_one_node() {
    let (dirs, copies) = (Dirs::new(), Dirs::new());
    let nodes = dirs.three().await;
    let ticket = nodes[0].ticket(Rights::Admin).unwrap();
    let error = copies.builder(2).join(ticket).start().await.unwrap_err();
    assert!(error.to_string().contains("id 2 belongs to another node"), "{error}");
    set(&nodes[1], "k", "v").await;
    crate::cluster::stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn process_a_cluster_that_is_away_is_waited_for_and_named() {
    let dirs = Dirs::new();
    let node = dirs.bootstrap().await;
    let ticket = node.ticket(Rights::Admin).unwrap();
    node.shutdown().await;
    let second = dirs.builder(2).join(ticket).configure(|config| config.join_timeout_ms = 200);
    let error = second.start().await.unwrap_err();
    assert!(matches!(error, StartError::Join(JoinFailure::Timeout { .. })), "{error}");
}

/// A crash after the identity was written and before any group had members: the next start goes
/// on with the same cluster.
#[tokio::test(flavor = "multi_thread")]
async fn process_an_interrupted_foundation_is_finished() {
    let dirs = Dirs::new();
    std::fs::create_dir(dirs.dir(1)).unwrap();
    let cluster = "07".repeat(16);
    let identity = format!(
        r#"{{"format":1,"node":1,"cluster":"{cluster}","stage":"founding","created_ms":1}}"#
    );
    std::fs::write(dirs.dir(1).join("identity.json"), identity).unwrap();
    let node = serving(dirs.builder(1).start().await.unwrap()).await;
    assert_eq!(node.cluster().to_string(), cluster);
    set(&node, "k", "v").await;
    assert_eq!(get(&node, "k").await, Some(value("v")));
    node.shutdown().await;
    let identity = std::fs::read_to_string(dirs.dir(1).join("identity.json")).unwrap();
    assert!(identity.contains("member"), "{identity}");
}
