//! A cluster's status as tables and JSON.

use aspen_core::{ClusterStatus, GroupMetrics, GroupRole, LogIndex, NodeId, NodeState, NodeStatus};
use serde_json::{Map, Value as Json, json};

use crate::exit::CliError;
use crate::output::Output;

const NODE_COLUMNS: &[&str] = &["node", "state", "address", "version", "disk", "leads"];
const GROUP_COLUMNS: &[&str] =
    &["group", "leader", "term", "revision", "applied", "voters", "learners", "lag"];

/// The whole cluster.
pub(super) fn status(status: &ClusterStatus, output: &mut Output) -> Result<(), CliError> {
    if output.is_json() {
        return output.json(&status_json(status));
    }
    output.line(format!("cluster {}", status.cluster))?;
    nodes_table(status, output)?;
    output.table(GROUP_COLUMNS, status.groups.iter().map(|group| group_row(&group.metrics)))
}

/// The nodes alone.
pub(super) fn nodes(status: &ClusterStatus, output: &mut Output) -> Result<(), CliError> {
    match output.is_json() {
        true => output.json(&json!({"nodes": nodes_json(status)})),
        false => nodes_table(status, output),
    }
}

/// One node, with its part in every group.
pub(super) fn node(
    status: &ClusterStatus,
    id: NodeId,
    output: &mut Output,
) -> Result<(), CliError> {
    let Some(node) = status.nodes.iter().find(|node| node.record.id == id) else {
        eprintln!("aspen: no node {id} in the cluster");
        return Err(CliError::Negative);
    };
    let groups = || status.groups.iter().map(|group| &group.metrics);
    if output.is_json() {
        let mut json = node_json(node);
        let parts: Map<String, Json> =
            groups().map(|group| (group.group.to_string(), json!(part(group, id)))).collect();
        json["groups"] = Json::Object(parts);
        return output.json(&json);
    }
    output.table(NODE_COLUMNS, [node_row(node, status)])?;
    output.line(format!("endpoint {}", node.record.endpoint))?;
    let rows = groups().map(|group| vec![group.group.to_string(), part(group, id).to_owned()]);
    output.table(&["group", "part"], rows)
}

/// What a node is to a group, as its leader sees it.
fn part(group: &GroupMetrics, id: NodeId) -> &'static str {
    if group.leader == Some(id) {
        "leader"
    } else if group.voters.contains(&id) {
        "voter"
    } else if group.learners.contains(&id) {
        "learner"
    } else {
        "none"
    }
}

fn nodes_table(status: &ClusterStatus, output: &mut Output) -> Result<(), CliError> {
    output.table(NODE_COLUMNS, status.nodes.iter().map(|node| node_row(node, status)))
}

fn node_row(node: &NodeStatus, status: &ClusterStatus) -> Vec<String> {
    let leads = status
        .groups
        .iter()
        .filter(|group| group.metrics.leader == Some(node.record.id))
        .map(|group| group.metrics.group.to_string());
    vec![
        node.record.id.to_string(),
        state(node.state).to_owned(),
        node.record.addresses.join(" "),
        node.version.clone().unwrap_or_else(unknown),
        node.disk_used_percent.map_or_else(unknown, |percent| format!("{percent} %")),
        leads.collect::<Vec<_>>().join(" "),
    ]
}

fn group_row(group: &GroupMetrics) -> Vec<String> {
    let lag =
        group.replication.iter().map(|(node, progress)| format!("{node}:{}", progress.lag_entries));
    vec![
        group.group.to_string(),
        group.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
        group.term.to_string(),
        group.revision.to_string(),
        group.applied.map_or_else(unknown, |index| index.to_string()),
        ids(&group.voters),
        ids(&group.learners),
        lag.collect::<Vec<_>>().join(" "),
    ]
}

fn unknown() -> String {
    "?".to_owned()
}

fn ids(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ")
}

fn state(state: NodeState) -> &'static str {
    match state {
        NodeState::Online => "online",
        NodeState::Offline => "offline",
    }
}

fn role(role: GroupRole) -> &'static str {
    match role {
        GroupRole::Leader => "leader",
        GroupRole::Follower => "follower",
        GroupRole::Candidate => "candidate",
        GroupRole::Learner => "learner",
        GroupRole::Stopped => "stopped",
    }
}

fn status_json(status: &ClusterStatus) -> Json {
    let groups: Vec<Json> = status.groups.iter().map(|group| group_json(&group.metrics)).collect();
    json!({
        "cluster_id": status.cluster.to_string(),
        "nodes": nodes_json(status),
        "groups": groups,
    })
}

fn nodes_json(status: &ClusterStatus) -> Vec<Json> {
    status.nodes.iter().map(node_json).collect()
}

fn node_json(node: &NodeStatus) -> Json {
    json!({
        "id": node.record.id.get(),
        "address": node.record.addresses.first(),
        "addresses": node.record.addresses,
        "endpoint": node.record.endpoint.to_string(),
        "state": state(node.state),
        "version": node.version,
        "disk_used_percent": node.disk_used_percent,
    })
}

fn group_json(group: &GroupMetrics) -> Json {
    let index = |index: Option<LogIndex>| index.map(LogIndex::get);
    let raw = |nodes: &[NodeId]| nodes.iter().map(|node| node.get()).collect::<Vec<_>>();
    let replication: Map<String, Json> = group
        .replication
        .iter()
        .map(|(node, progress)| {
            let progress =
                json!({"matched": index(progress.matched), "lag_entries": progress.lag_entries});
            (node.to_string(), progress)
        })
        .collect();
    json!({
        "group": group.group.to_string(),
        "leader": group.leader.map(NodeId::get),
        "reported_by": group.node.get(),
        "role": role(group.role),
        "term": group.term.get(),
        "applied": index(group.applied),
        "committed": index(group.committed),
        "last_log": index(group.last_log),
        "snapshot": index(group.snapshot),
        "purged": index(group.purged),
        "revision": group.revision.get(),
        "voters": raw(&group.voters),
        "learners": raw(&group.learners),
        "replication": replication,
    })
}

#[cfg(test)]
mod tests;
