//! What a cluster says about itself.

use super::Client;
use super::layout::Layout;
use super::node_command::NodeCommand;
use crate::failure::{Failure, Outcome};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// The meta group and one shard. A cluster that is just being made shows fewer.
const GROUPS_MIN: usize = 2;

/// The parts of `aspen --json cluster status` that matter here; others are ignored.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct Status {
    pub(crate) groups: Vec<GroupStatus>,
}

/// One Raft group.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct GroupStatus {
    /// A name or a number.
    pub(crate) group: Value,
    /// The node that leads it, when one does.
    pub(crate) leader: Option<Value>,
    #[serde(default)]
    pub(crate) term: u64,
    pub(crate) voters: Vec<Value>,
    #[serde(default)]
    pub(crate) learners: Vec<Value>,
}

impl Status {
    /// Whether the meta group and at least one shard are there, and every group has a leader and
    /// `nodes` voters.
    pub(crate) fn serves(&self, nodes: usize) -> bool {
        let ready = |group: &GroupStatus| group.leader.is_some() && group.voters.len() == nodes;
        self.groups.len() >= GROUPS_MIN && self.groups.iter().all(ready)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<String> = self.groups.iter().map(ToString::to_string).collect();
        f.write_str(&groups.join("; "))
    }
}

impl fmt::Display for GroupStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leader = self.leader.as_ref().map_or("none".to_string(), plain);
        write!(f, "group {}: leader {leader}, term {}, ", plain(&self.group), self.term)?;
        write!(f, "voters {}", list(&self.voters))?;
        if self.learners.is_empty() {
            Ok(())
        } else {
            write!(f, ", learners {}", list(&self.learners))
        }
    }
}

fn list(values: &[Value]) -> String {
    values.iter().map(plain).collect::<Vec<_>>().join(",")
}

/// A JSON value without the quotes of a string.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

/// Prints which processes run and then the cluster's own answer, as its command line shows it.
pub(super) fn print(layout: &Layout) -> Outcome {
    for node in layout.node_ids() {
        match layout.running_pid(node) {
            Some(pid) => println!("node {node}: running, pid {pid}"),
            None => println!("node {node}: not running"),
        }
    }
    println!("{}", client(layout)?.ask(["cluster", "status"])?.trim_end());
    Ok(())
}

/// A client of a cluster that another command launched, built beside its nodes.
fn client(layout: &Layout) -> Outcome<Client> {
    let ids = layout.node_ids();
    let first = ids.first().ok_or_else(|| Failure::new("the cluster has no nodes"))?;
    let program = NodeCommand::load(layout, *first)?.program.with_file_name("aspen");
    let files = [layout.ticket(), layout.node_ticket(*first)];
    let client = files.iter().find_map(|file| Client::with_ticket_file(&program, file));
    client.ok_or_else(|| Failure::new("the cluster has no ticket yet: it never served"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn status(leader: &str, voters: &str) -> Status {
        let json = format!(
            r#"{{"cluster_id":"c","nodes":[{{"id":1}}],"groups":[
                {{"group":"meta","leader":1,"term":2,"last_applied":9,"voters":[1,2,3],"learners":[]}},
                {{"group":0,"leader":{leader},"term":3,"voters":{voters}}}]}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_cluster_serves_when_every_group_has_a_leader_and_all_voters() {
        assert!(status("2", "[1,2,3]").serves(3));
        assert!(!status("null", "[1,2,3]").serves(3));
        assert!(!status("2", "[1,2]").serves(3));
        assert!(!Status { groups: Vec::new() }.serves(0));
    }

    #[test]
    fn a_status_reads_as_one_line() {
        let line = status("null", "[1,2]").to_string();
        assert_eq!(
            line,
            "group meta: leader 1, term 2, voters 1,2,3; group 0: leader none, term 3, voters 1,2"
        );
    }
}
