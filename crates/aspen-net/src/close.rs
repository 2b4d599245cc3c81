//! Why a connection was closed: the codes on the wire, in one place so that none is reused.

use iroh::endpoint::{Connection, ConnectionError, VarInt};

/// The application close codes. 1 is taken by irpc for an oversized message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum CloseCode {
    /// Everything that was wanted is done.
    Done = 0,
    /// The process is stopping.
    Shutdown = 2,
    /// The key is no member's.
    NotMember = 3,
    /// The credential does not hold.
    Denied = 4,
    /// The proof of the cookie does not hold.
    Cookie = 5,
    /// Too many connections or handshakes.
    Busy = 6,
    /// The node does not belong to a cluster yet.
    NotReady = 7,
    /// The bytes are not the protocol's.
    Malformed = 8,
}

impl CloseCode {
    const ALL: [Self; 8] = [
        Self::Done,
        Self::Shutdown,
        Self::NotMember,
        Self::Denied,
        Self::Cookie,
        Self::Busy,
        Self::NotReady,
        Self::Malformed,
    ];

    fn from_wire(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|known| u64::from(*known as u32) == code)
    }
}

impl From<CloseCode> for VarInt {
    fn from(code: CloseCode) -> Self {
        Self::from_u32(code as u32)
    }
}

/// Closes a connection with a reason that the other side can show.
pub(crate) fn close(connection: &Connection, code: CloseCode, reason: &str) {
    connection.close(code.into(), reason.as_bytes());
}

/// What the peer said when it closed the connection, if it did.
pub(crate) fn close_cause(connection: &Connection) -> Option<(CloseCode, String)> {
    match connection.close_reason()? {
        ConnectionError::ApplicationClosed(cause) => {
            let code = CloseCode::from_wire(cause.error_code.into_inner())?;
            Some((code, String::from_utf8_lossy(&cause.reason).into_owned()))
        }
        _ => None,
    }
}
