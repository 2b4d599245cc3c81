//! The node's durable state: one log for all groups, a state machine for each.

use std::path::PathBuf;
use std::sync::Arc;

use aspen_core::{GroupId, runtime};
use aspen_storage::state::{SqliteStateMachine, StateOptions};
use aspen_storage::{LogOptions, RedbLogStore, StateMachine};

use crate::StartError;
use crate::compose::{GROUPS, GroupParts};
use crate::data_dir::DataDir;

/// How many bytes of recent changes the meta group holds in memory: it is small and changes rarely.
const META_HEAD_BYTES: usize = 1024 * 1024;

/// The log and the state machines, open.
pub(crate) struct Storage {
    log: Arc<RedbLogStore>,
    states: Vec<(GroupId, Arc<dyn StateMachine>)>,
}

impl Storage {
    /// Opens or creates both; off the async workers, since they read the disk.
    pub(crate) async fn open(dir: &DataDir, head_bytes_max: usize) -> Result<Self, StartError> {
        let path = dir.log_file();
        let open = move || RedbLogStore::open(&path, LogOptions::default());
        let log = runtime::spawn_blocking(open).await??;
        let mut storage = Self { log, states: Vec::new() };
        for group in GROUPS {
            match open_state(dir.group_dir(group), group, head_bytes_max).await {
                Ok(state) => storage.states.push((group, state)),
                Err(error) => {
                    storage.close().await;
                    return Err(error);
                }
            }
        }
        Ok(storage)
    }

    /// Each group's part of the log, and its state.
    pub(crate) fn groups(&self) -> Vec<GroupParts> {
        let parts = |(group, state): &(GroupId, Arc<dyn StateMachine>)| GroupParts {
            group: *group,
            log: self.log.group(*group),
            state: state.clone(),
        };
        self.states.iter().map(parts).collect()
    }

    /// The log of all groups.
    pub(crate) fn log(&self) -> Arc<RedbLogStore> {
        self.log.clone()
    }

    /// Flushes and closes the files. A failure costs only time at the next start.
    pub(crate) async fn close(&self) {
        for (group, state) in &self.states {
            if let Err(error) = state.close().await {
                tracing::warn!(%group, %error, "state was not closed in order");
            }
        }
        if let Err(error) = self.log.close().await {
            tracing::warn!(%error, "log was not closed in order");
        }
    }
}

async fn open_state(
    dir: PathBuf,
    group: GroupId,
    head_bytes_max: usize,
) -> Result<Arc<dyn StateMachine>, StartError> {
    let options = options(group, head_bytes_max);
    let open = move || SqliteStateMachine::open(&dir, group, options);
    let opened = runtime::spawn_blocking(open).await?;
    let state = opened.map_err(|error| StartError::State { group, error })?;
    Ok(state)
}

fn options(group: GroupId, head_bytes_max: usize) -> StateOptions {
    if group == GroupId::META {
        let head_bytes_max = head_bytes_max.min(META_HEAD_BYTES);
        return StateOptions { head_bytes_max, readers: 1, ..StateOptions::default() };
    }
    StateOptions { head_bytes_max, ..StateOptions::default() }
}
