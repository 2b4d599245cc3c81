//! The task that serves the watches of a client.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{WatchError, runtime};

use super::session;
use crate::backoff::backoff;
use crate::routes::Affinity;
use crate::shared::{Shared, group_for};

/// How long the task stays when no watch is left. Longer spares opening another session for a
/// client that watches again and again; shorter frees the old one.
const LINGER: Duration = Duration::from_secs(5);

/// Starts the task unless it runs.
pub(super) fn ensure_running(shared: &Arc<Shared>) {
    if !shared.hub.set_running() {
        runtime::spawn(run(shared.clone()));
    }
}

/// Serves the watches, session after session, until none is left.
async fn run(shared: Arc<Shared>) {
    let group = group_for();
    let mut tried = BTreeSet::new();
    let mut pauses = backoff(&shared.options);
    let mut refused = None;
    loop {
        if shared.is_closed() {
            shared.hub.end_all(&WatchError::Closed("the client is closed".to_owned()));
        }
        if shared.hub.is_idle() {
            let linger = if shared.is_closed() { Duration::ZERO } else { LINGER };
            let _ = runtime::timeout(linger, shared.hub.news()).await;
            if shared.hub.stop_if_idle() {
                return;
            }
            continue;
        }
        shared.hub.start_over();
        let Some(peer) = shared.routes.pick(group, Affinity::Leader, &tried) else {
            if let Some(error) = refused.take() {
                shared.hub.end_unbegun(&error);
            }
            tried.clear();
            shared.refresh_soon();
            runtime::sleep(pauses.pause()).await;
            continue;
        };
        tried.insert(peer.endpoint);
        let ended = session::run(&shared, group, &peer).await;
        if ended.served {
            tried.clear();
            pauses = backoff(&shared.options);
        }
        refused = ended.refused.or(refused);
        if let Some(error) = ended.fatal {
            shared.hub.end_all(&error);
        }
    }
}
