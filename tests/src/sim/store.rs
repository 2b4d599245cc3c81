//! The store as a simulated client uses it: with pauses, and its calls in the trace.

use std::fmt::Debug;
use std::time::Duration;

use aspen_client::Client;
use aspen_core::runtime::sim::sleep;
use aspen_core::{
    KeyValueStore, ReadError, ReadReply, ReadRequest, ScanPage, ScanRequest, TransactionOutcome,
    WriteCommand, WriteError,
};
use async_trait::async_trait;

use super::trace;
use crate::workload::SeededRandom;

/// A client that thinks before each request.
pub(crate) struct ThinkingStore {
    pub(crate) client: Client,
    pub(crate) number: u64,
    pub(crate) think_ms_max: u64,
    pub(crate) random: SeededRandom,
}

impl ThinkingStore {
    async fn think(&self) {
        let pause = self.random.below(self.think_ms_max + 1);
        if pause > 0 {
            sleep(Duration::from_millis(pause)).await;
        }
    }

    fn record<T, E: Debug>(&self, what: &'static str, result: &Result<T, E>, revision: u64) {
        trace::record(what, [self.number, u64::from(result.is_ok()), revision, 0]);
        if let Err(error) = result {
            trace::note("client", format!("{} {what}: {error:?}", self.number));
        }
    }
}

#[async_trait]
impl KeyValueStore for ThinkingStore {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        self.think().await;
        let result = self.client.read(request).await;
        self.record("read", &result, result.as_ref().map_or(0, |reply| reply.revision.get()));
        result
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        self.think().await;
        let result = self.client.scan(request).await;
        self.record("scan", &result, result.as_ref().map_or(0, |page| page.revision.get()));
        result
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        self.think().await;
        let result = self.client.write(command).await;
        self.record("write", &result, result.as_ref().map_or(0, |done| done.revision.get()));
        result
    }
}
