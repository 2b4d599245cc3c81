//! Who can reach an endpoint.

use serde::{Deserialize, Serialize};

/// Who can reach the endpoint. Nothing is ever published to a public directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Processes on this machine.
    #[default]
    Loopback,
    /// Whoever can send packets to the listening address.
    Lan,
    /// As [`Reach::Lan`], and through a relay server for machines behind NATs. Packets that the
    /// relay carries are delayed by the way through it; it cannot read them.
    Relay {
        /// The relay server; there is no default, since a public one would see who talks to whom.
        url: Option<String>,
    },
}
