//! What the clients of a measurement do.

use std::fmt;

/// The workloads that both `aspen bench` and the etcd driver know by the same names, and
/// `restart`, which this program measures itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Workload {
    /// Write one key.
    Put,
    /// Read one key; see every write acknowledged before.
    GetLinearizable,
    /// Read one key from the node asked, however old its answer.
    GetStale,
    /// Read 100 neighbouring keys.
    #[value(name = "scan-100")]
    Scan100,
    /// Read one key and write it unless it changed meanwhile.
    Cas,
    /// The same by a transaction; etcd has its own, so only Aspen runs it.
    #[value(name = "txn-1r1w")]
    Txn1r1w,
    /// Read ten keys and write ten others in one transaction; only Aspen runs it.
    #[value(name = "txn-10r10w")]
    Txn10r10w,
    /// Four linearizable reads for every write.
    Mixed,
    /// Write one key and wait until a watch of it tells.
    Watch,
    /// Load a million keys on one node, kill it, and time its way back.
    Restart,
}

impl Workload {
    /// Whether etcd has the same thing.
    pub(super) fn has_peer(self) -> bool {
        !matches!(self, Self::Txn1r1w | Self::Txn10r10w)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "put",
            Self::GetLinearizable => "get-linearizable",
            Self::GetStale => "get-stale",
            Self::Scan100 => "scan-100",
            Self::Cas => "cas",
            Self::Txn1r1w => "txn-1r1w",
            Self::Txn10r10w => "txn-10r10w",
            Self::Mixed => "mixed",
            Self::Watch => "watch",
            Self::Restart => "restart",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn names_on_the_command_line_and_in_the_output_are_the_same() {
        for workload in Workload::value_variants() {
            assert_eq!(workload.to_possible_value().unwrap().get_name(), workload.to_string());
        }
    }
}
