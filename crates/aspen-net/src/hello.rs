//! The first exchange on every connection but those that join: who calls, and by what right.

use std::io;

use aspen_core::{ClusterId, NodeId, Rights};
use iroh::endpoint::Connection;
use serde::{Deserialize, Serialize};

use crate::close::{CloseCode, close};
use crate::frame::{STRANGER_FRAME_BYTES_MAX, read_frame, write_frame};
use crate::grant::GrantClaims;
use crate::members::Members;
use crate::{Cookie, Grant};

/// What the dialling side says on its first stream.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The cluster that it wants to talk to.
    pub(crate) cluster: ClusterId,
    /// Its right to.
    pub(crate) credential: Credential,
}

/// A right to talk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Credential {
    /// None; refused by name.
    Nothing,
    /// A member: its key is on the list.
    Member {
        /// The id it goes by.
        node: NodeId,
    },
    /// The holder of a grant.
    Grant {
        /// What the grant says.
        claims: GrantClaims,
        /// That the caller knows its secret, bound to the channel.
        proof: [u8; 32],
    },
}

/// The answer to a hello that is accepted; a refusal closes the connection with its reason.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Welcome;

/// What the dialling side shows.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// A client with what its ticket holds.
    Client {
        /// The cluster.
        cluster: ClusterId,
        /// Its right.
        grant: Option<Grant>,
    },
    /// A node, of the cluster that its list of members belongs to.
    Node(NodeId),
}

/// A caller that was let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    /// What it may do.
    pub(crate) rights: Rights,
    /// Until when, in Unix milliseconds.
    pub(crate) expires_ms: Option<u64>,
}

/// Why a hello is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The close code.
    pub(crate) code: CloseCode,
    /// In words.
    pub(crate) reason: String,
}

impl Refusal {
    /// Closes the connection while the streams of the exchange are still open: their end must not
    /// overtake the reason.
    pub(crate) fn closing(self, connection: &Connection) -> Self {
        close(connection, self.code, &self.reason);
        self
    }
}

/// Says hello on a fresh connection and waits to be let in.
pub(crate) async fn say_hello(connection: &Connection, hello: &Hello) -> io::Result<()> {
    let (mut send, mut recv) = connection.open_bi().await.map_err(io::Error::from)?;
    write_frame(&mut send, hello).await?;
    send.finish().map_err(io::Error::other)?;
    read_frame::<Welcome>(&mut recv, STRANGER_FRAME_BYTES_MAX).await.map(|_| ())
}

/// Waits for the caller's hello and judges it; on success the caller has its welcome.
pub(crate) async fn receive_hello(
    connection: &Connection,
    members: &Members,
    cookie: &Cookie,
) -> Result<Admitted, Refusal> {
    let malformed = |error: io::Error| Refusal {
        code: CloseCode::Malformed,
        reason: format!("malformed hello: {error}"),
    };
    let (mut send, mut recv) =
        connection.accept_bi().await.map_err(|error| malformed(error.into()))?;
    let hello: Hello = read_frame(&mut recv, STRANGER_FRAME_BYTES_MAX).await.map_err(malformed)?;
    let judged = judge(connection, members, cookie, hello);
    let admitted = judged.map_err(|refusal| refusal.closing(connection))?;
    write_frame(&mut send, &Welcome).await.map_err(malformed)?;
    Ok(admitted)
}

fn judge(
    connection: &Connection,
    members: &Members,
    cookie: &Cookie,
    hello: Hello,
) -> Result<Admitted, Refusal> {
    let Some(cluster) = members.cluster() else {
        return Err(Refusal {
            code: CloseCode::NotReady,
            reason: "this node belongs to no cluster yet".to_owned(),
        });
    };
    if hello.cluster != cluster {
        let theirs = hello.cluster;
        return denied(format!("the caller is of cluster {theirs}, this node of {cluster}"));
    }
    let caller = crate::endpoint::endpoint_key(connection.remote_id());
    match hello.credential {
        Credential::Nothing => denied("the ticket holds no grant; ask for one of a client"),
        Credential::Member { node } if members.node_of(caller) == Some(node) => {
            Ok(Admitted { rights: Rights::Admin, expires_ms: None })
        }
        Credential::Member { node } => {
            Err(Refusal { code: CloseCode::NotMember, reason: not_member(node) })
        }
        Credential::Grant { claims, proof } => {
            judge_grant(claims.verify(cookie, cluster, connection, proof), &claims)
        }
    }
}

fn judge_grant(holds: bool, claims: &GrantClaims) -> Result<Admitted, Refusal> {
    // The proof comes first: an unproved expiry date means nothing.
    if !holds {
        return denied("the grant is not of this cluster, or was altered; ask for a new ticket");
    }
    if claims.is_expired() {
        return denied("the grant has expired; ask for a new ticket");
    }
    Ok(Admitted { rights: claims.rights, expires_ms: claims.expires_ms })
}

fn denied(reason: impl Into<String>) -> Result<Admitted, Refusal> {
    Err(Refusal { code: CloseCode::Denied, reason: reason.into() })
}

fn not_member(node: NodeId) -> String {
    format!("the caller's key is not that of node {node} of this cluster")
}
