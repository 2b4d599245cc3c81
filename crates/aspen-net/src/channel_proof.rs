//! Proofs of secrets, each worth nothing on any connection but the one that it was made on.

use aspen_core::{ClusterId, runtime};
use iroh::endpoint::Connection;

use crate::grant::GrantClaims;
use crate::{Cookie, Grant};

/// Which side of a join a proof speaks for; without it either side could echo the other's proof.
#[derive(Clone, Copy, Debug)]
pub(crate) enum JoinRole {
    /// The process that wants to become a node.
    Joiner,
    /// The node that it asks.
    Member,
}

impl Cookie {
    /// The proof that `role` knows the cookie.
    pub(crate) fn join_proof(&self, connection: &Connection, role: JoinRole) -> blake3::Hash {
        let key = self.derived_key("aspen 2026 cookie: join");
        let role: &[u8] = match role {
            JoinRole::Joiner => b"joiner",
            JoinRole::Member => b"member",
        };
        blake3::Hasher::new_keyed(&key).update(&channel_binding(connection)).update(role).finalize()
    }
}

impl Grant {
    /// The proof that the holder knows the secret.
    pub(crate) fn proof(&self, connection: &Connection) -> [u8; 32] {
        *grant_proof(&self.secret, connection).as_bytes()
    }
}

impl GrantClaims {
    /// Whether the grant has ended, by this process's wall clock.
    pub(crate) fn is_expired(&self) -> bool {
        self.expires_ms.is_some_and(|expires_ms| runtime::unix_time_ms() >= expires_ms)
    }

    /// Whether `proof_received` was made by a holder of these claims' grant, in constant time.
    pub(crate) fn verify(
        &self,
        cookie: &Cookie,
        cluster: ClusterId,
        connection: &Connection,
        proof_received: [u8; 32],
    ) -> bool {
        let secret = self.secret(cookie, cluster);
        grant_proof(&secret, connection) == blake3::Hash::from_bytes(proof_received)
    }
}

fn grant_proof(secret: &[u8; 32], connection: &Connection) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(&channel_binding(connection)).update(b"client").finalize()
}

/// Bytes that only the two ends of this very connection know (RFC 5705).
fn channel_binding(connection: &Connection) -> [u8; 32] {
    let mut binding = [0; 32];
    // The only failure is an output longer than the hash allows. Random bytes then make the proof
    // fail instead of holding everywhere.
    if connection.export_keying_material(&mut binding, b"EXPORTER-aspen", b"").is_err() {
        binding = runtime::random_bytes();
    }
    binding
}
