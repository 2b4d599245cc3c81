//! What a client holds to be let in.

use std::fmt;

use aspen_core::{ClusterId, Rights, codec, runtime};
use serde::{Deserialize, Serialize};

use crate::Cookie;

/// Rights that any node of the cluster can verify without storing anything: its secret is a keyed
/// hash of its claims under a key that only nodes can derive. Whoever holds the secret holds the
/// rights, so tickets are to be kept as passwords are; there is no revocation before `expires_ms`
/// but a new cookie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub(crate) claims: GrantClaims,
    pub(crate) secret: [u8; 32],
}

/// What a grant says; everything but the secret, as it travels to the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GrantClaims {
    /// What the holder may do.
    pub(crate) rights: Rights,
    /// When it ends, in Unix milliseconds.
    pub(crate) expires_ms: Option<u64>,
    /// Tells grants of equal claims apart.
    pub(crate) nonce: [u8; 16],
}

/// A grant was asked of a node that does not belong to a cluster yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node belongs to no cluster yet; grants can be issued once it has joined")]
pub struct ClusterUnknown;

impl Grant {
    /// Makes a grant of a cluster, as only who knows its cookie can; `ttl_ms` of `None` never ends.
    pub fn issue(cookie: &Cookie, cluster: ClusterId, rights: Rights, ttl_ms: Option<u64>) -> Self {
        let expires_ms = ttl_ms.map(|ttl| runtime::unix_time_ms().saturating_add(ttl));
        let claims = GrantClaims { rights, expires_ms, nonce: runtime::random_bytes() };
        let secret = claims.secret(cookie, cluster);
        Self { claims, secret }
    }

    /// What the holder may do.
    pub fn rights(&self) -> Rights {
        self.claims.rights
    }

    /// When the grant ends, in Unix milliseconds by the node's clock; `None` for never.
    pub fn expires_ms(&self) -> Option<u64> {
        self.claims.expires_ms
    }

    #[cfg(test)]
    pub(crate) const fn from_parts(claims: GrantClaims, secret: [u8; 32]) -> Self {
        Self { claims, secret }
    }
}

impl GrantClaims {
    /// What a grant of these claims is proved with.
    pub(crate) fn secret(&self, cookie: &Cookie, cluster: ClusterId) -> [u8; 32] {
        let claims = codec::encode(&(cluster, self)).unwrap_or_default();
        *blake3::keyed_hash(&cookie.derived_key("aspen 2026 cookie: grant"), &claims).as_bytes()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("rights", &self.claims.rights)
            .field("expires_ms", &self.claims.expires_ms)
            .field("secret", &"redacted")
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_depends_on_every_claim_on_the_cluster_and_on_the_cookie() {
        let (cookie, cluster) = (Cookie::new("c").unwrap(), ClusterId::new([1; 16]));
        let claims = GrantClaims { rights: Rights::Read, expires_ms: Some(5), nonce: [2; 16] };
        let secret = claims.secret(&cookie, cluster);
        let others = [
            GrantClaims { rights: Rights::Admin, ..claims.clone() }.secret(&cookie, cluster),
            GrantClaims { expires_ms: None, ..claims.clone() }.secret(&cookie, cluster),
            GrantClaims { nonce: [3; 16], ..claims.clone() }.secret(&cookie, cluster),
            claims.secret(&cookie, ClusterId::new([9; 16])),
            claims.secret(&Cookie::new("d").unwrap(), cluster),
        ];
        assert!(others.iter().all(|other| *other != secret));
    }

    #[test]
    fn debug_shows_no_secret() {
        let claims = GrantClaims { rights: Rights::Read, expires_ms: None, nonce: [0; 16] };
        let shown = format!("{:?}", Grant::from_parts(claims, [171; 32]));
        assert!(!shown.contains("171"), "{shown}");
    }
}
