//! Starts a group's replica from its stored state.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aspen_core::{GroupId, NodeId, Transport, runtime};
use aspen_storage::{GroupLog, StateMachine};

use crate::applied_index::AppliedIndex;
use crate::confirmed::Confirmations;
use crate::durability::Durability;
use crate::error::OpenError;
use crate::group::Group;
use crate::log_adapter::LogAdapter;
use crate::network::PeerFactory;
use crate::options::RaftOptions;
use crate::replica::Replica;
use crate::silence::Silence;
use crate::state_adapter::StateAdapter;
use crate::types::Raft;

/// What a replica is opened from.
pub(crate) struct Opening {
    pub(crate) group: GroupId,
    pub(crate) node: NodeId,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) options: Arc<RaftOptions>,
    pub(crate) log: Arc<dyn GroupLog>,
    pub(crate) state: Arc<dyn StateMachine>,
}

impl Opening {
    /// Opens the replica and starts its tasks.
    pub(crate) async fn open(self) -> Result<Arc<Group>, OpenError> {
        let silence = Silence::at_start(&*self.log);
        let applied = Arc::new(AppliedIndex::default());
        let durability = Arc::new(Durability::default());
        let raft = self.build(applied.clone(), durability.clone()).await?;
        let replica = Arc::new(Replica {
            group: self.group,
            node: self.node,
            raft,
            log: self.log,
            state: self.state,
            applied,
            durability,
            transport: self.transport,
            options: self.options,
            silence,
            stopping: AtomicBool::new(false),
        });
        start(&replica).await?;
        let group = Arc::new(Group::new(replica));
        runtime::spawn(crate::maintenance::run(Arc::downgrade(&group)));
        Ok(group)
    }

    async fn build(
        &self,
        applied: Arc<AppliedIndex>,
        durability: Arc<Durability>,
    ) -> Result<Raft, OpenError> {
        let config = self.options.to_config(&self.group.to_string()).validate();
        let config = config.map_err(|error| storage_error(self.group, error))?;
        let peers = PeerFactory {
            node: self.node,
            group: self.group,
            transport: self.transport.clone(),
            options: self.options.clone(),
            confirmations: Confirmations::default(),
        };
        let log = LogAdapter::new(self.log.clone(), self.options.entry_cache_bytes);
        let mut log = log.telling(durability);
        if self.options.overlap_syncs {
            log = log.overlapping(self.node);
        }
        let state = StateAdapter::new(self.state.clone(), applied, self.log.clone());
        let node = self.node.get();
        let raft = Raft::build(node, Arc::new(config), peers, log, state).await;
        raft.map_err(|error| storage_error(self.group, error))
    }
}

/// Runs consensus, silently at first when the replica may have promised something before.
async fn start(replica: &Arc<Replica>) -> Result<(), OpenError> {
    let raft = &replica.raft;
    raft.runtime_config().elect(false);
    raft.run();
    let node = replica.node.get();
    let voters = raft.with_raft_state(|state| {
        state.membership_state.effective().voter_ids().collect::<Vec<u64>>()
    });
    let voters = voters.await.map_err(|error| storage_error(replica.group, error))?;
    let alone = voters == [node];
    let silent = replica.options.silent_start && !runtime::planted("no-silence");
    if !silent || alone || !replica.silence.holds() {
        replica.silence.end();
        raft.runtime_config().elect(true);
    } else {
        runtime::spawn(end_silence(replica.clone()));
    }
    if alone {
        // Nobody else could lead: waiting for an election timeout would only delay the start.
        let elected = raft.trigger().elect(false).await;
        elected.map_err(|error| storage_error(replica.group, error))?;
    }
    Ok(())
}

async fn end_silence(replica: Arc<Replica>) {
    runtime::sleep(replica.options.lease()).await;
    replica.silence.end();
    replica.raft.runtime_config().elect(true);
}

fn storage_error(group: GroupId, error: impl ToString) -> OpenError {
    OpenError::Storage { group, detail: error.to_string() }
}
