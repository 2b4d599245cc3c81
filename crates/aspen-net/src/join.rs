//! How a process becomes a node.
//!
//! Both sides prove that they know the cookie, bound to the channel; then the joiner asks. The
//! joiner proves itself first: it chose whom to call by key, whereas anybody can call a member.
//!
//! joiner → member: proof; member → joiner: proof; joiner → member: [`JoinRequest`];
//! member → joiner: [`JoinReply`]; the joiner closes.

use std::io;
use std::time::Duration;

use aspen_core::{JoinReply, JoinRequest, RequestHandler, runtime};
use iroh::endpoint::{Connection, RecvStream, SendStream};

use crate::channel_proof::JoinRole;
use crate::close::{CloseCode, close, close_cause};
use crate::dial::Dialer;
use crate::endpoint::endpoint_key;
use crate::frame::{PROVED_FRAME_BYTES_MAX, STRANGER_FRAME_BYTES_MAX, read_frame, write_frame};
use crate::hello::Refusal;
use crate::protocol::Protocol;
use crate::{Cookie, JoinError, PeerAddress};

/// How long the node may take to decide once the joiner has proved itself: it writes to the
/// registry, which may wait for an election.
const DECISION_TIMEOUT: Duration = Duration::from_secs(15);

type Proof = [u8; 32];

/// Asks a member.
pub(crate) async fn ask_to_join(
    dialer: &Dialer,
    cookie: &Cookie,
    peer: &PeerAddress,
    request: JoinRequest,
    timeout: Duration,
) -> Result<JoinReply, JoinError> {
    let attempt = async {
        let connect = dialer.connect(peer, Protocol::Join);
        let connection = runtime::timeout(dialer.timings.connect_timeout(), connect)
            .await
            .map_err(|_| JoinError::Unreachable("no answer to the connection".to_owned()))?
            .map_err(|error| JoinError::Unreachable(error.to_string()))?;
        let reply = converse(&connection, cookie, &request).await;
        close(&connection, CloseCode::Done, "done");
        reply
    };
    runtime::timeout(timeout, attempt).await.unwrap_or(Err(JoinError::Timeout))
}

async fn converse(
    connection: &Connection,
    cookie: &Cookie,
    request: &JoinRequest,
) -> Result<JoinReply, JoinError> {
    let ended = |error: io::Error| closed_as(connection, &error);
    let (mut send, mut recv) =
        connection.open_bi().await.map_err(|error| closed_as(connection, &error.into()))?;
    let own: Proof = *cookie.join_proof(connection, JoinRole::Joiner).as_bytes();
    write_frame(&mut send, &own).await.map_err(ended)?;
    let theirs: Proof = read_frame(&mut recv, STRANGER_FRAME_BYTES_MAX).await.map_err(ended)?;
    if blake3::Hash::from_bytes(theirs) != cookie.join_proof(connection, JoinRole::Member) {
        return Err(JoinError::CookieMismatch);
    }
    write_frame(&mut send, request).await.map_err(ended)?;
    read_frame(&mut recv, PROVED_FRAME_BYTES_MAX).await.map_err(ended)
}

fn closed_as(connection: &Connection, error: &io::Error) -> JoinError {
    match close_cause(connection) {
        Some((CloseCode::Cookie, _)) => JoinError::CookieMismatch,
        Some((CloseCode::Busy, reason)) => JoinError::Busy(reason),
        Some((_, reason)) => JoinError::Failed(reason),
        None => JoinError::Failed(error.to_string()),
    }
}

/// Serves one joiner; the caller closes the connection when it is refused.
pub(crate) async fn receive_join(
    connection: &Connection,
    cookie: &Cookie,
    handler: &dyn RequestHandler,
    timeout: Duration,
) -> Result<(), Refusal> {
    let (mut send, request) = runtime::timeout(timeout, receive_request(connection, cookie))
        .await
        .map_err(|_| refusal(CloseCode::Malformed, "no proof and request in time"))??;
    let reply = decide(connection, handler, request).await;
    let written = write_frame(&mut send, &reply).await;
    written.map_err(|error| refusal(CloseCode::Malformed, &error.to_string()))?;
    // Closing here could overtake the reply: the joiner closes once it has it.
    if runtime::timeout(timeout, connection.closed()).await.is_err() {
        close(connection, CloseCode::Done, "done");
    }
    Ok(())
}

async fn receive_request(
    connection: &Connection,
    cookie: &Cookie,
) -> Result<(SendStream, JoinRequest), Refusal> {
    let malformed = |error: io::Error| refusal(CloseCode::Malformed, &error.to_string());
    let (mut send, mut recv) =
        connection.accept_bi().await.map_err(|error| malformed(error.into()))?;
    let theirs: Proof = read_frame(&mut recv, STRANGER_FRAME_BYTES_MAX).await.map_err(malformed)?;
    if blake3::Hash::from_bytes(theirs) != cookie.join_proof(connection, JoinRole::Joiner) {
        let refusal = refusal(CloseCode::Cookie, "the cookie does not match this cluster's");
        return Err(refusal.closing(connection));
    }
    let own: Proof = *cookie.join_proof(connection, JoinRole::Member).as_bytes();
    write_frame(&mut send, &own).await.map_err(malformed)?;
    let request = read_request(&mut recv).await.map_err(malformed)?;
    Ok((send, request))
}

async fn read_request(recv: &mut RecvStream) -> io::Result<JoinRequest> {
    read_frame(recv, PROVED_FRAME_BYTES_MAX).await
}

async fn decide(
    connection: &Connection,
    handler: &dyn RequestHandler,
    request: JoinRequest,
) -> JoinReply {
    let key = endpoint_key(connection.remote_id());
    if request.node.endpoint != key {
        let named = request.node.endpoint;
        let text = format!("the request names key {named}, but the connection's key is {key}");
        return JoinReply::Refused(text);
    }
    let decision = runtime::timeout(DECISION_TIMEOUT, handler.join(request)).await;
    decision.unwrap_or_else(|_| JoinReply::Retry("the node did not decide in time".to_owned()))
}

fn refusal(code: CloseCode, reason: &str) -> Refusal {
    Refusal { code, reason: reason.to_owned() }
}
