//! Bugs that a simulation plants, to see that its checks find them: those of more than a line.

use std::time::Duration;

use aspen_core::{ProposalBatch, codec, runtime};
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::ClientWriteResponse;

use crate::replica::Replica;
use crate::types::{EncodedBatch, TypeConfig};

type Written =
    Result<ClientWriteResponse<TypeConfig>, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>;

/// How long the impatient leader waits before it proposes a batch again.
const IMPATIENCE: Duration = Duration::from_millis(250);

/// Proposes a batch; once more, and without the stamps that would tell a retry from a new write,
/// when the answer takes long. The first entry may be committed all the same.
pub(crate) async fn write_impatiently(replica: &Replica, batch: &EncodedBatch) -> Written {
    let first = replica.raft.client_write(batch.clone());
    match runtime::timeout(IMPATIENCE, first).await {
        Ok(written) => written,
        Err(_) => replica.raft.client_write(unstamped(batch)).await,
    }
}

fn unstamped(batch: &EncodedBatch) -> EncodedBatch {
    let decoded = codec::decode::<ProposalBatch>(&batch.0);
    let encoded = decoded.ok().and_then(|mut decoded| {
        decoded.proposals.iter_mut().for_each(|proposal| proposal.session = None);
        codec::encode(&decoded).ok()
    });
    encoded.map_or_else(|| batch.clone(), EncodedBatch)
}
