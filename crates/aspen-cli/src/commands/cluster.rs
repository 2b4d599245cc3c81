//! `aspen cluster` and `aspen node`

use std::collections::BTreeSet;

use aspen_client::Client;
use aspen_core::{
    ClusterStatus, ControlError, ControlRequest, ControlResponse, GroupId, NodeId, NodeRecord,
};
use serde_json::json;

use super::cluster_view;
use crate::args::cluster::{ClusterCommand, NodeCommand};
use crate::exit::CliError;
use crate::output::Output;

pub(super) async fn run(
    client: &Client,
    command: ClusterCommand,
    output: &mut Output,
) -> Result<(), CliError> {
    match command {
        ClusterCommand::Status => cluster_view::status(&client.status().await?, output),
        ClusterCommand::Init { nodes, group } => {
            let members = records(&client.status().await?, &nodes)?;
            change(client, ControlRequest::Init { group, members }, output).await
        }
        ClusterCommand::AddNode { id, learner } => add_node(client, id, learner, output).await,
        ClusterCommand::RemoveNode { id } => {
            change(client, ControlRequest::RemoveNode { node: id }, output).await
        }
        ClusterCommand::Transfer { to, group } => {
            change(client, ControlRequest::TransferLeader { group, to }, output).await
        }
        ClusterCommand::Snapshot { group } => {
            change(client, ControlRequest::TriggerSnapshot { group }, output).await
        }
    }
}

pub(super) async fn run_node(
    client: &Client,
    command: NodeCommand,
    output: &mut Output,
) -> Result<(), CliError> {
    let status = client.status().await?;
    match command {
        NodeCommand::List => cluster_view::nodes(&status, output),
        NodeCommand::Show { id } => cluster_view::node(&status, id, output),
    }
}

async fn change(
    client: &Client,
    request: ControlRequest,
    output: &mut Output,
) -> Result<(), CliError> {
    expect_done(client.control(request).await?)?;
    done(output)
}

fn done(output: &mut Output) -> Result<(), CliError> {
    if output.is_json() { output.json(&json!({"done": true})) } else { output.line("done") }
}

fn expect_done(response: ControlResponse) -> Result<(), CliError> {
    match response {
        ControlResponse::Done => Ok(()),
        other => Err(ControlError::Bug(format!("unexpected answer: {other:?}")).into()),
    }
}

/// Learner first, voter once it has caught up: a voter that lags would stop commits.
async fn add_node(
    client: &Client,
    id: NodeId,
    learner: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    expect_done(client.control(ControlRequest::AddLearner { node: id }).await?)?;
    if !learner {
        let voters = voters_with(&client.status().await?, id);
        expect_done(client.control(ControlRequest::ChangeMembership { voters }).await?)?;
    }
    done(output)
}

/// The voters of the groups, and one more.
fn voters_with(status: &ClusterStatus, id: NodeId) -> BTreeSet<NodeId> {
    let meta = status.groups.iter().find(|group| group.metrics.group == GroupId::META);
    let voters = meta.or(status.groups.first()).map(|group| group.metrics.voters.clone());
    voters.unwrap_or_default().into_iter().chain([id]).collect()
}

fn records(status: &ClusterStatus, ids: &[NodeId]) -> Result<Vec<NodeRecord>, CliError> {
    let record = |id: &NodeId| {
        let node = status.nodes.iter().find(|node| node.record.id == *id);
        node.map(|node| node.record.clone())
            .ok_or_else(|| CliError::Invalid(format!("node {id} has not joined the cluster")))
    };
    ids.iter().map(record).collect()
}
