//! Leases: granting and revoking them exactly once, keeping them alive at the leader; and what is
//! pinned to them.

use std::sync::Arc;

use aspen_core::{
    ClientRequest, Command, KEEP_ALIVE_LEASES_MAX, LeaseGrant, LeaseId, LeaseRequest,
    LeaseResponse, LeaseRevocation, LeaseStatus, Leases, Pins, ReadError, Reply, Revision,
    SCAN_BYTES_MAX, WriteError, validate_ttl,
};
use async_trait::async_trait;

use crate::Client;
use crate::read::{Reading, wrong_answer};
use crate::routes::Affinity;
use crate::shared::{Shared, group_for};
use crate::write::wrong_reply;

impl Shared {
    /// Asks the leader about leases. Whatever is asked has no effect, or the same when it is asked
    /// again, so it is retried freely.
    async fn lease(self: &Arc<Self>, request: LeaseRequest) -> Result<LeaseResponse, ReadError> {
        request.validate()?;
        let with_keys = matches!(request, LeaseRequest::TimeToLive { with_keys: true, .. });
        let group = group_for();
        let request = ClientRequest::Lease { group, request };
        let answer_bytes = if with_keys { SCAN_BYTES_MAX } else { 0 };
        let reading = Reading::new(self, group, Affinity::Leader, request, Some(answer_bytes));
        match reading.run().await? {
            aspen_core::ClientResponse::Lease(result) => result,
            _ => Err(wrong_answer()),
        }
    }
}

#[async_trait]
impl Leases for Client {
    async fn grant(&self, lease: Option<LeaseId>, ttl_ms: u64) -> Result<LeaseGrant, WriteError> {
        validate_ttl(ttl_ms)?;
        let lease = lease.unwrap_or(LeaseId::UNCHOSEN);
        lease.validate()?;
        match self.shared.propose_once(Command::GrantLease { lease, ttl_ms }).await? {
            Reply::LeaseGranted { lease, ttl_ms } => Ok(LeaseGrant { lease, ttl_ms }),
            other => Err(WriteError::maybe_applied(wrong_reply("GrantLease", &other))),
        }
    }

    async fn keep_alive(&self, leases: Vec<LeaseId>) -> Result<Vec<Option<u64>>, ReadError> {
        let mut kept = Vec::with_capacity(leases.len());
        for part in leases.chunks(KEEP_ALIVE_LEASES_MAX) {
            let request = LeaseRequest::KeepAlive { leases: part.to_vec() };
            match self.shared.lease(request).await? {
                LeaseResponse::KeptAlive(these) if these.len() == part.len() => kept.extend(these),
                _ => return Err(wrong_answer()),
            }
        }
        Ok(kept)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<LeaseRevocation, WriteError> {
        match self.shared.propose_once(Command::RevokeLease { lease }).await? {
            Reply::LeaseRevoked { revision, keys } => Ok(LeaseRevocation { revision, keys }),
            other => Err(WriteError::maybe_applied(wrong_reply("RevokeLease", &other))),
        }
    }

    async fn time_to_live(
        &self,
        lease: LeaseId,
        with_keys: bool,
    ) -> Result<Option<LeaseStatus>, ReadError> {
        match self.shared.lease(LeaseRequest::TimeToLive { lease, with_keys }).await? {
            LeaseResponse::TimeToLive(status) => Ok(status),
            _ => Err(wrong_answer()),
        }
    }

    async fn list(&self) -> Result<Vec<LeaseId>, ReadError> {
        let mut all = Vec::new();
        loop {
            let after = all.last().copied().unwrap_or(LeaseId::UNCHOSEN);
            match self.shared.lease(LeaseRequest::List { after }).await? {
                LeaseResponse::List { leases, more } if !more || !leases.is_empty() => {
                    all.extend(leases);
                    if !more {
                        return Ok(all);
                    }
                }
                _ => return Err(wrong_answer()),
            }
        }
    }
}

#[async_trait]
impl Pins for Client {
    async fn pin(
        &self,
        lease: LeaseId,
        revision: Option<Revision>,
    ) -> Result<Revision, WriteError> {
        lease.validate()?;
        match self.shared.propose_once(Command::PinRevision { lease, revision }).await? {
            Reply::RevisionPinned { revision } => Ok(revision),
            other => Err(WriteError::maybe_applied(wrong_reply("PinRevision", &other))),
        }
    }
}
