//! Reads requests from a connection's streams, each in a task of its own, within budgets.
//!
//! Streams are read concurrently: read in turn, one slow sender of a large request would hold up
//! every heartbeat behind it. A malformed or stalled stream ends that stream only.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime;
use iroh::endpoint::{Connection, RecvStream, SendStream, VarInt};
use irpc::rpc::{ERROR_CODE_INVALID_POSTCARD, ERROR_CODE_MAX_MESSAGE_SIZE_EXCEEDED, RemoteService};
use irpc::util::{AsyncReadVarintExt, WriteVarintExt};
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::protocol::REQUEST_BYTES_MAX;

/// How many requests of one connection are read and handled at a time; further streams wait in the
/// transport. Above what a well-behaved client has in flight (4 lanes of 4 batches) and what the
/// groups of a node send to one peer at once.
const STREAMS_PER_CONNECTION_MAX: usize = 256;

/// How long a request may take to arrive once its stream is open. It covers 10 MiB at 1 MB/s.
const REQUEST_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// One permit of the budget stands for this many bytes.
const BUDGET_UNIT: usize = 1024;

/// Bounds the bytes of requests that are in memory, over all connections.
#[derive(Clone, Debug)]
pub(crate) struct InboundBudget(Arc<Semaphore>);

impl InboundBudget {
    /// A budget of `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes_max / BUDGET_UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// Room for one request; `None` when the endpoint closes.
    async fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes / BUDGET_UNIT + 1).ok()?;
        Arc::clone(&self.0).acquire_many_owned(units).await.ok()
    }
}

/// Serves a connection until it ends: every request goes to `handle` in a task of its own.
pub(crate) async fn serve_streams<S, H, F>(
    connection: &Connection,
    budget: &InboundBudget,
    handle: H,
) where
    S: RemoteService,
    H: Fn(S::Message) -> F,
    F: Future<Output = ()> + Send + 'static,
    H: Clone + Send + Sync + 'static,
{
    let room = Arc::new(Semaphore::new(STREAMS_PER_CONNECTION_MAX));
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        let Ok((send, recv)) = connection.accept_bi().await else { return };
        let (budget, handle) = (budget.clone(), handle.clone());
        runtime::spawn(async move {
            if let Some((message, reserved)) = read_request::<S>(send, recv, &budget).await {
                handle(message).await;
                drop(reserved);
            }
            drop(permit);
        });
    }
}

/// The stream's request, or `None` after the stream was refused.
async fn read_request<S: RemoteService>(
    mut send: SendStream,
    mut recv: RecvStream,
    budget: &InboundBudget,
) -> Option<(S::Message, OwnedSemaphorePermit)> {
    let read = runtime::timeout(REQUEST_READ_TIMEOUT, read_value::<S>(&mut recv, budget));
    let code = match read.await {
        Ok(Ok((value, reserved))) => {
            return Some((value.with_remote_channels(recv, send), reserved));
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "refused a request");
            refusal_code(&error)
        }
        Err(_) => ERROR_CODE_INVALID_POSTCARD,
    };
    // A stream that the caller has ended already needs no refusal.
    let _ = send.reset(VarInt::from_u32(code));
    let _ = recv.stop(VarInt::from_u32(code));
    None
}

fn refusal_code(error: &io::Error) -> u32 {
    match error.kind() {
        io::ErrorKind::FileTooLarge => ERROR_CODE_MAX_MESSAGE_SIZE_EXCEEDED,
        _ => ERROR_CODE_INVALID_POSTCARD,
    }
}

async fn read_value<S: RemoteService>(
    recv: &mut RecvStream,
    budget: &InboundBudget,
) -> io::Result<(S, OwnedSemaphorePermit)> {
    let len = recv.read_varint_u64().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if len > REQUEST_BYTES_MAX {
        let text = format!("request of {len} bytes exceeds the limit of {REQUEST_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    let reserved = budget.reserve(len).await.ok_or(io::ErrorKind::BrokenPipe)?;
    // irpc's decoder reads the length itself, so it gets it once more in front of the rest.
    let mut prefix = Vec::with_capacity(10);
    prefix.write_varint_u64(len as u64)?;
    let value = prefix.as_slice().chain(recv).read_length_prefixed::<S>(len).await?;
    Ok((value, reserved))
}
