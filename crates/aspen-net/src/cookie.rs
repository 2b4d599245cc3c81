//! The cluster's shared secret.

use std::fmt;

use iroh::endpoint::Connection;

/// What every node of a cluster knows and nobody else: it proves the right to join, and grants are
/// derived from it. Draw it at random (32 characters or more): a process that poses as a node can
/// test guesses of a short one offline.
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie(String);

/// A cookie with no characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cookie is empty; set one random text for all nodes of the cluster")]
pub struct InvalidCookie;

/// Which side of a join a proof speaks for; without it either side could echo the other's proof.
#[derive(Clone, Copy, Debug)]
pub(crate) enum JoinRole {
    /// The process that wants to become a node.
    Joiner,
    /// The node that it asks.
    Member,
}

impl Cookie {
    /// Wraps a text that is not empty.
    ///
    /// # Errors
    /// [`InvalidCookie`] when it is.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidCookie> {
        let text = text.into();
        if text.is_empty() { Err(InvalidCookie) } else { Ok(Self(text)) }
    }

    /// The proof that `role` knows the cookie, worth nothing on any other connection.
    pub(crate) fn join_proof(&self, connection: &Connection, role: JoinRole) -> blake3::Hash {
        let key = blake3::derive_key("aspen 2026 cookie: join", self.0.as_bytes());
        let role: &[u8] = match role {
            JoinRole::Joiner => b"joiner",
            JoinRole::Member => b"member",
        };
        blake3::Hasher::new_keyed(&key).update(&channel_binding(connection)).update(role).finalize()
    }

    /// The key under which the cluster's grants are made.
    pub(crate) fn grant_key(&self) -> [u8; 32] {
        blake3::derive_key("aspen 2026 cookie: grant", self.0.as_bytes())
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(redacted)")
    }
}

/// Bytes that only the two ends of this very connection know (RFC 5705): a proof over them cannot
/// be relayed to another connection.
pub(crate) fn channel_binding(connection: &Connection) -> [u8; 32] {
    let mut binding = [0; 32];
    // The only failure is an output longer than the hash allows. Random bytes then make the proof
    // fail instead of holding everywhere.
    if connection.export_keying_material(&mut binding, b"EXPORTER-aspen", b"").is_err() {
        binding = aspen_core::runtime::random_bytes();
    }
    binding
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_cookie_is_refused_and_none_is_shown() {
        assert_eq!(Cookie::new(""), Err(InvalidCookie));
        let shown = format!("{:?}", Cookie::new("secret").unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
