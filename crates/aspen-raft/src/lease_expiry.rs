//! The task that ends leases whose time is over, while this replica leads.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{Command, EXPIRE_LEASES_MAX, ExpiringLease, Proposal, ReadError, Reply, runtime};
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::ClientWriteError;
use openraft::impls::OneshotResponder;
use tokio::sync::mpsc;

use crate::leases::LeaseKeeper;
use crate::proposer::encode_batch;
use crate::read_rounds::local_index;
use crate::reader::in_time;
use crate::replica::Replica;
use crate::types::LeaderId;

/// How long to wait after something failed that will be tried again.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Keeps deadlines whenever this replica leads; ends when `alive`'s sender is gone or the group has
/// stopped.
pub(crate) async fn run(keeper: Arc<LeaseKeeper>, mut alive: mpsc::Receiver<()>) {
    tokio::select! {
        biased;
        _ = alive.recv() => {}
        () = reign_whenever_leading(&keeper) => {}
    }
    keeper.end();
}

/// Serves every term in which this replica leads, until the group stops.
async fn reign_whenever_leading(keeper: &LeaseKeeper) {
    let replica = &keeper.replica;
    while let Some(leader) = wait_leading(replica, Option::is_some).await.flatten() {
        tokio::select! {
            biased;
            lost = wait_leading(replica, |now| *now != Some(leader)) => {
                if lost.is_none() {
                    return;
                }
            }
            () = serve(keeper, leader) => {}
        }
        keeper.end();
    }
}

/// Waits until the term in which this replica leads is as wished; `None` when the group stops.
async fn wait_leading(
    replica: &Replica,
    wish: impl Fn(&Option<LeaderId>) -> bool,
) -> Option<Option<LeaderId>> {
    // Unlike all metrics together, these change rarely.
    let mut changes = replica.raft.server_metrics();
    loop {
        let now = {
            let metrics = changes.borrow_watched();
            metrics.state.is_leader().then_some(metrics.vote.leader_id)
        };
        if wish(&now) {
            return Some(now);
        }
        changes.changed().await.ok()?;
    }
}

/// Serves one term as its leader; never ends by itself.
async fn serve(keeper: &LeaseKeeper, leader: LeaderId) {
    while let Err(error) = begin(keeper, leader).await {
        tracing::debug!(group = %keeper.replica.group, %error, "leases are not loaded yet");
        runtime::sleep(TRY_AGAIN).await;
    }
    loop {
        step(keeper, leader).await;
    }
}

/// Loads all leases once everything before this term is applied, and gives each its TTL anew.
async fn begin(keeper: &LeaseKeeper, leader: LeaderId) -> Result<(), ReadError> {
    let replica = &keeper.replica;
    let index = in_time(replica, async {
        let index = local_index(replica, false).await;
        index.map_err(|error| ReadError::Unavailable(error.to_string()))
    });
    let index = index.await?;
    replica.applied.reach(index).await;
    replica.state.lease_feed().listen();
    let leases = replica.state.leases().await?;
    keeper.begin(leader, leases);
    Ok(())
}

/// Waits for the next thing to do, and does it. Dropped at any point, it may be begun again.
async fn step(keeper: &LeaseKeeper, leader: LeaderId) {
    if let Err(error) = keeper.learn().await {
        tracing::warn!(group = %keeper.replica.group, %error, "leases cannot be read");
        return runtime::sleep(TRY_AGAIN).await;
    }
    let now = runtime::now();
    let due = keeper.with_deadlines(|deadlines| deadlines.take_due(now, EXPIRE_LEASES_MAX));
    match due {
        Some(due) if !due.is_empty() => expire(keeper, leader, due).await,
        _ => wait(keeper).await,
    }
}

/// Waits until the next deadline, or for news.
async fn wait(keeper: &LeaseKeeper) {
    let next = keeper.with_deadlines(|deadlines| deadlines.next(runtime::now())).flatten();
    let fed = keeper.replica.state.lease_feed().fed();
    match next {
        Some(next) => tokio::select! {
            biased;
            () = fed => {}
            () = runtime::sleep_until(next) => {}
        },
        None => fed.await,
    }
}

/// Proposes the end of leases, in this term and no other, and takes in what came of it.
async fn expire(keeper: &LeaseKeeper, leader: LeaderId, leases: Vec<ExpiringLease>) {
    match propose(keeper, leader, leases).await {
        Ok(()) => {
            // Those that have ended are news by now; others are proposed again.
            if let Err(error) = keeper.learn().await {
                tracing::warn!(group = %keeper.replica.group, %error, "leases cannot be read");
            }
            keeper.moved.send_replace(());
        }
        Err(why) => {
            tracing::debug!(group = %keeper.replica.group, why, "leases are not ended yet");
            runtime::sleep(TRY_AGAIN).await;
        }
    }
}

async fn propose(
    keeper: &LeaseKeeper,
    leader: LeaderId,
    leases: Vec<ExpiringLease>,
) -> Result<(), String> {
    let command = Command::ExpireLeases { leases };
    let batch = encode_batch(vec![Proposal { session: None, command }]);
    let batch = batch.map_err(|error| error.to_string())?;
    let (responder, written) = OneshotResponder::new_pair();
    let request = keeper.replica.raft.write(batch).with_leader(leader).responder(responder);
    request.await.map_err(|fatal| fatal.to_string())?;
    match written.await.map_err(|_| "consensus has stopped".to_owned())? {
        Ok(response) => match response.data.0.first() {
            Some(Reply::LeasesExpired { leases, keys, revision }) => {
                let group = keeper.replica.group;
                tracing::debug!(%group, leases, keys, %revision, "leases have ended");
                Ok(())
            }
            other => Err(format!("unexpected reply: {other:?}")),
        },
        Err(ClientWriteError::ForwardToLeader(forward)) => Err(forward.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
