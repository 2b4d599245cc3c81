//! The client.

use std::sync::Arc;

use aspen_core::{
    ClusterStatus, ControlError, ControlRequest, ControlResponse, KeyValueStore, ReadError,
    ReadReply, ReadRequest, Revision, ScanPage, ScanRequest, TransactionOutcome, Watch, WatchError,
    WatchRequest, WatchStream, WriteCommand, WriteError,
};
use aspen_net::Ticket;
#[cfg(not(madsim))]
use aspen_net::{ClientNet, ClientNetOptions};
use async_trait::async_trait;

#[cfg(not(madsim))]
use crate::ConnectError;
use crate::shared::Shared;
use crate::{Channel, ClientOptions};

/// A cluster as a [`KeyValueStore`]. Cloning gives another handle of the same client; use one
/// client from many tasks, whose concurrent requests then travel together.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

impl Client {
    /// Opens a client with the default options. Waits for no node: requests find the cluster, or
    /// fail at their deadline.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = aspen_client::Client::connect("aspen…").await?;
    /// println!("{} nodes", client.status().await?.nodes.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The ticket is invalid or the local endpoint cannot be opened.
    #[cfg(not(madsim))]
    pub async fn connect(ticket: &str) -> Result<Self, ConnectError> {
        let ticket: Ticket =
            ticket.trim().parse().map_err(|error| ConnectError::Ticket(format!("{error}")))?;
        Self::connect_with(ticket, ClientOptions::default()).await
    }

    /// Opens a client.
    ///
    /// # Errors
    /// An option is invalid, the ticket names no peer or the local endpoint cannot be opened.
    #[cfg(not(madsim))]
    pub async fn connect_with(
        ticket: Ticket,
        options: ClientOptions,
    ) -> Result<Self, ConnectError> {
        options.validate()?;
        if ticket.peers.is_empty() {
            return Err(ConnectError::NoPeers);
        }
        let net_options =
            ClientNetOptions { reach: options.reach_for(&ticket), ..ClientNetOptions::default() };
        let net = ClientNet::bind(&ticket, net_options)
            .await
            .map_err(|error| ConnectError::Bind(error.to_string()))?;
        Ok(Self::over(net, ticket, options))
    }

    /// A client over any channel: for tests and simulation. Options out of their range are brought
    /// into it.
    pub fn over(channel: Arc<dyn Channel>, ticket: Ticket, options: ClientOptions) -> Self {
        Self { shared: Arc::new(Shared::new(channel, &ticket, options)) }
    }

    /// Asks for or changes the cluster itself.
    ///
    /// # Errors
    /// See [`ControlError`]; after `Timeout` a change may still take effect: look at the status.
    pub async fn control(&self, request: ControlRequest) -> Result<ControlResponse, ControlError> {
        self.shared.control(request).await
    }

    /// The cluster at a glance.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn status(&self) -> Result<ClusterStatus, ControlError> {
        match self.control(ControlRequest::Status).await? {
            ControlResponse::Status(status) => Ok(*status),
            other => Err(ControlError::Bug(format!("unexpected answer to Status: {other:?}"))),
        }
    }

    /// Forgets history below a revision, which stays the oldest readable one; answers the horizon
    /// now in force, which may be later. Nodes also compact by age on their own (`history_ms`).
    ///
    /// # Errors
    /// See [`WriteError`]; `FutureRevision` when the store has not reached the revision.
    pub async fn compact(&self, horizon: Revision) -> Result<Revision, WriteError> {
        self.shared.compact(horizon).await
    }

    /// Closes every handle: requests in flight end at their next attempt, later ones fail.
    pub async fn close(&self) {
        self.shared.close();
        self.shared.channel.close().await;
    }
}

#[async_trait]
impl KeyValueStore for Client {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        self.shared.read(request).await
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        self.shared.scan(request).await
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        self.shared.write(command).await
    }
}

#[async_trait]
impl Watch for Client {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream, WatchError> {
        self.shared.watch(request).await
    }
}
