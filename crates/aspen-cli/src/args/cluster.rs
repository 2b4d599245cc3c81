//! `aspen cluster …`, `aspen node …`, `aspen ticket …`

use aspen_core::{GroupId, NodeId, ShardId};
use clap::{Args, Subcommand};

/// Look at the cluster and change it.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show nodes and groups.
    Status,
    /// Make nodes the first voters of a group that has none.
    Init {
        /// The ids of the first voters, which must have joined.
        #[arg(long, value_delimiter = ',', required = true, value_parser = parse_node)]
        nodes: Vec<NodeId>,
        /// The group: `meta`, `shard-0`.
        #[arg(long, default_value = "shard-0", value_parser = parse_group)]
        group: GroupId,
    },
    /// Make a node that has joined a voter of every group, once it has caught up.
    AddNode {
        /// Its id.
        #[arg(value_parser = parse_node)]
        id: NodeId,
        /// Leave it a learner, without a vote.
        #[arg(long)]
        learner: bool,
    },
    /// Remove a node from every group and from the registry.
    RemoveNode {
        /// Its id.
        #[arg(value_parser = parse_node)]
        id: NodeId,
    },
    /// Hand the leadership of a group to another voter.
    Transfer {
        /// The new leader's id.
        #[arg(long, value_parser = parse_node)]
        to: NodeId,
        /// The group: `meta`, `shard-0`.
        #[arg(long, default_value = "shard-0", value_parser = parse_group)]
        group: GroupId,
    },
    /// Build a snapshot of a group on its leader.
    Snapshot {
        /// The group: `meta`, `shard-0`.
        #[arg(long, default_value = "shard-0", value_parser = parse_group)]
        group: GroupId,
    },
}

/// Look at nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List the nodes.
    List,
    /// Show one node and its part in every group.
    Show {
        /// Its id.
        #[arg(value_parser = parse_node)]
        id: NodeId,
    },
}

/// `ticket`
#[derive(Debug, Args)]
pub(crate) struct TicketArgs {
    #[command(subcommand)]
    pub(crate) command: Option<TicketCommand>,
}

/// What to do with tickets but fetch one.
#[derive(Debug, Subcommand)]
pub(crate) enum TicketCommand {
    /// Show what a ticket says, without a connection. Its secret is not shown.
    Inspect {
        /// The ticket's text, or `-` for standard input; the global one unless given.
        text: Option<String>,
    },
}

fn parse_node(text: &str) -> Result<NodeId, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a node's id, a number from 1".to_owned()),
        Ok(id) => Ok(NodeId::new(id)),
    }
}

fn parse_group(text: &str) -> Result<GroupId, String> {
    let shard = text.strip_prefix("shard-").and_then(|number| number.parse::<u16>().ok());
    match (text, shard) {
        ("meta", _) => Ok(GroupId::META),
        (_, Some(shard)) => Ok(GroupId::shard(ShardId::new(shard))),
        _ => Err("expected `meta` or `shard-N`".to_owned()),
    }
}
