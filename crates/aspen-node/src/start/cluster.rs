//! Which cluster the node belongs to: the one of its directory, a new one, or one that lets it in.

use std::time::Duration;

use aspen_core::{ClusterId, JoinRequest, NodeRecord, runtime};
use aspen_net::{NodeNet, Ticket};

use crate::data_dir::{DataDir, Stage};
use crate::join::{self, JoinFailure};
use crate::{Config, StartError};

/// The cluster, and who is in it as far as the node knows.
pub(super) struct Entered {
    pub(super) cluster: ClusterId,
    pub(super) nodes: Vec<NodeRecord>,
}

/// Enters the cluster, durably.
pub(super) async fn enter(
    config: &Config,
    dir: &mut DataDir,
    net: &NodeNet,
) -> Result<Entered, StartError> {
    if let Some(cluster) = dir.identity().cluster {
        return resume(config, dir, cluster).await;
    }
    match ticket(config).await? {
        Some(ticket) => join(config, dir, net, &ticket).await,
        None if config.bootstrap => {
            let cluster = ClusterId::new(runtime::random_bytes());
            // Before any group exists: a crash from here on is continued by the next start.
            dir.enter(cluster, Stage::Founding)?;
            tracing::info!(%cluster, "starting a new cluster");
            Ok(Entered { cluster, nodes: vec![net.record()] })
        }
        None => Err(StartError::NoCluster),
    }
}

/// A node that has a cluster stays in it; a ticket of another one is a mistake worth stopping for.
async fn resume(config: &Config, dir: &DataDir, cluster: ClusterId) -> Result<Entered, StartError> {
    let ticket = match (&config.join, &config.join_file) {
        (Some(text), _) => Some(parse(text)?),
        // The file was for the first start and may be gone by now.
        (None, Some(path)) => join::read_ticket(path).await.ok(),
        (None, None) => None,
    };
    if let Some(ticket) = ticket {
        dir.require_cluster(ticket.cluster)?;
    }
    tracing::info!(%cluster, "going on in the cluster of the data directory");
    Ok(Entered { cluster, nodes: dir.peers() })
}

async fn join(
    config: &Config,
    dir: &mut DataDir,
    net: &NodeNet,
    ticket: &Ticket,
) -> Result<Entered, StartError> {
    tracing::info!(cluster = %ticket.cluster, "joining");
    let request = JoinRequest { node: net.record(), cluster: Some(ticket.cluster) };
    let (cluster, nodes) = join::join(net, &ticket.peers, &request, timeout(config)).await?;
    // The peers first: a node with an identity does not join again, and needs to know whom it is
    // to hear from.
    DataDir::save_peers(&dir.peers_file(), &nodes)?;
    dir.enter(cluster, Stage::Member)?;
    tracing::info!(%cluster, nodes = nodes.len(), "joined");
    Ok(Entered { cluster, nodes })
}

async fn ticket(config: &Config) -> Result<Option<Ticket>, StartError> {
    match (&config.join, &config.join_file) {
        (Some(text), _) => Ok(Some(parse(text)?)),
        (None, Some(path)) => Ok(Some(join::await_ticket(path, timeout(config)).await?)),
        (None, None) => Ok(None),
    }
}

fn parse(text: &str) -> Result<Ticket, JoinFailure> {
    text.trim().parse().map_err(|error| JoinFailure::Ticket(format!("{error}")))
}

fn timeout(config: &Config) -> Duration {
    Duration::from_millis(config.join_timeout_ms)
}
