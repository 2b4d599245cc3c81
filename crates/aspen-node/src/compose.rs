//! A node put together from parts.
//!
//! [`crate::Node`] is one such node: over sockets, on files. The same node runs over any other
//! network and on any other disk, whatever implements [`Links`], [`Transport`] and the storage
//! traits; that is how tests and a simulator run it. The stages, in order:
//!
//! 1. [`OpenNode::open`] opens this node's replica of every group. Nobody knows the node yet.
//! 2. The caller finds out the cluster ([`Entry`]) and keeps it durably: the one it was in before,
//!    a new one, or one that lets it in ([`ask_to_join`]).
//! 3. [`OpenNode::enter`] makes it a node of that cluster. From here on it answers: the caller's
//!    network hands it requests of clients and of joining nodes ([`ComposedNode::requests`]) and
//!    messages of peers ([`ComposedNode::peers`]).
//! 4. The first node of a new cluster makes itself the first member ([`ComposedNode::found`]); from
//!    then on, durably, it is a member like any other.
//! 5. [`ComposedNode::start_tasks`] starts the work that keeps it a good member.
//! 6. [`ComposedNode::stop`] stops all that. The log, the state machines and the network stay open:
//!    whoever opened them closes them.
//!
//! [`Transport`]: aspen_core::Transport

mod composed_node;
mod links;
#[cfg(not(madsim))]
mod node_net;
mod open_node;
mod peer_sink;
mod running;

pub use composed_node::ComposedNode;
pub use links::Links;
pub use open_node::{Entry, GroupParts, OpenNode, Parts, Settings};
pub use peer_sink::PeerSink;

pub use crate::core::GROUPS;
pub use crate::disk_guard::{DiskLimits, DiskProbe};
pub use crate::join::{JoinFailure, ask_to_join};

#[cfg(not(madsim))]
pub(crate) use running::Running;
