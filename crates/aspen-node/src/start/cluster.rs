//! Which cluster the node belongs to: the one of its directory, a new one, or one that lets it in.

use std::time::Duration;

use aspen_core::{ClusterId, runtime};
use aspen_net::Ticket;

use super::ticket_file::{await_ticket, read_ticket};
use crate::compose::{Entry, JoinFailure, Links, ask_to_join};
use crate::data_dir::{DataDir, Stage};
use crate::{Config, StartError};

/// Enters the cluster, durably.
pub(super) async fn enter(
    config: &Config,
    dir: &mut DataDir,
    links: &dyn Links,
) -> Result<Entry, StartError> {
    if let Some(cluster) = dir.identity().cluster {
        return resume(config, dir, cluster).await;
    }
    match ticket(config).await? {
        Some(ticket) => join(config, dir, links, &ticket).await,
        None if config.bootstrap => {
            let cluster = ClusterId::new(runtime::random_bytes());
            // Before any group exists: a crash from here on is continued by the next start.
            dir.enter(cluster, Stage::Founding)?;
            tracing::info!(%cluster, "starting a new cluster");
            Ok(Entry { cluster, nodes: vec![links.record()] })
        }
        None => Err(StartError::NoCluster),
    }
}

/// A node that has a cluster stays in it; a ticket of another one is a mistake worth stopping for.
async fn resume(config: &Config, dir: &DataDir, cluster: ClusterId) -> Result<Entry, StartError> {
    let ticket = match (&config.join, &config.join_file) {
        (Some(text), _) => Some(parse(text)?),
        // The file was for the first start and may be gone by now.
        (None, Some(path)) => read_ticket(path).await.ok(),
        (None, None) => None,
    };
    if let Some(ticket) = ticket {
        dir.require_cluster(ticket.cluster)?;
    }
    tracing::info!(%cluster, "going on in the cluster of the data directory");
    Ok(Entry { cluster, nodes: dir.peers() })
}

async fn join(
    config: &Config,
    dir: &mut DataDir,
    links: &dyn Links,
    ticket: &Ticket,
) -> Result<Entry, StartError> {
    tracing::info!(cluster = %ticket.cluster, "joining");
    let Entry { cluster, nodes } =
        ask_to_join(links, &ticket.peers, ticket.cluster, timeout(config)).await?;
    // The peers first: a node with an identity does not join again, and needs to know whom it is
    // to hear from.
    DataDir::save_peers(&dir.peers_file(), &nodes)?;
    dir.enter(cluster, Stage::Member)?;
    tracing::info!(%cluster, nodes = nodes.len(), "joined");
    Ok(Entry { cluster, nodes })
}

async fn ticket(config: &Config) -> Result<Option<Ticket>, StartError> {
    match (&config.join, &config.join_file) {
        (Some(text), _) => Ok(Some(parse(text)?)),
        (None, Some(path)) => Ok(Some(await_ticket(path, timeout(config)).await?)),
        (None, None) => Ok(None),
    }
}

fn parse(text: &str) -> Result<Ticket, JoinFailure> {
    text.trim().parse().map_err(|error| JoinFailure::Ticket(format!("{error}")))
}

fn timeout(config: &Config) -> Duration {
    Duration::from_millis(config.join_timeout_ms)
}
