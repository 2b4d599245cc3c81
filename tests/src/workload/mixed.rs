//! Invariant: workloads do not disturb each other. All others run at once on prefixes of their own,
//! so that their transactions share log entries, pages, snapshots and compactions.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;

use super::{Context, Workload};
use crate::check::Violation;

/// Several workloads at once.
pub(super) struct Mixed {
    parts: Vec<Arc<dyn Workload>>,
}

impl Mixed {
    pub(super) fn new(parts: Vec<Arc<dyn Workload>>) -> Self {
        Self { parts }
    }
}

/// The same client with choices of its own.
fn part_of(context: &Context) -> Context {
    Context {
        client: context.client,
        clients: context.clients,
        store: context.store.clone(),
        watch: context.watch.clone(),
        leases: context.leases.clone(),
        recorder: context.recorder.clone(),
        random: context.random.fork(),
        stop: context.stop.clone(),
    }
}

#[async_trait]
impl Workload for Mixed {
    fn name(&self) -> &'static str {
        "mixed"
    }

    async fn prepare(&self, context: &Context) -> Result<(), Violation> {
        for part in &self.parts {
            part.prepare(context).await?;
        }
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        let runs = self.parts.iter().map(|part| part.run(part_of(&context)));
        try_join_all(runs).await.map(drop)
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        for part in &self.parts {
            part.check(context).await?;
        }
        Ok(())
    }
}
