//! `aspen kv …`

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use aspen_core::LeaseId;
use clap::{ArgGroup, Args, Subcommand};

use super::lease::parse_lease;
use super::parse_duration;

/// Read and write keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KvCommand {
    /// Print values; exit code 3 when a key is absent.
    Get(GetArgs),
    /// Set a key.
    Set(SetArgs),
    /// Delete keys and print how many there were.
    Del(DelArgs),
    /// List a page of keys and values, or all of them.
    Scan(ScanArgs),
    /// Set a key if it holds what is expected; exit code 3 when it does not.
    Cas(CasArgs),
    /// The same as `aspen txn`.
    #[command(after_help = crate::txn::HELP)]
    Txn {
        /// The file; `-` for standard input.
        file: PathBuf,
    },
}

/// How keys are typed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct KeyArgs {
    /// Keys on the command line are hexadecimal digits.
    #[arg(long)]
    pub(crate) hex_keys: bool,
}

/// How fresh a read must be; linearizable unless said otherwise.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(group(ArgGroup::new("consistency").args(["at", "stale", "lease"])))]
pub(crate) struct ConsistencyArgs {
    /// Read the state at a past revision.
    #[arg(long, value_name = "REVISION")]
    pub(crate) at: Option<u64>,
    /// Read what any node has applied, however old.
    #[arg(long)]
    pub(crate) stale: bool,
    /// Trust the leader's lease: as fresh as the default while clocks run within 10 %.
    #[arg(long)]
    pub(crate) lease: bool,
}

/// `kv get`
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The keys.
    #[arg(required = true)]
    pub(crate) keys: Vec<OsString>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) consistency: ConsistencyArgs,
    /// Show versions and revisions too.
    #[arg(long)]
    pub(crate) meta: bool,
    /// Print values as hexadecimal digits.
    #[arg(long)]
    pub(crate) hex: bool,
}

/// `kv set`
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The key.
    pub(crate) key: OsString,
    /// The value; `-` reads it from standard input, byte for byte.
    #[arg(required_unless_present = "file")]
    pub(crate) value: Option<OsString>,
    /// Read the value from a file, byte for byte.
    #[arg(long, conflicts_with = "value")]
    pub(crate) file: Option<PathBuf>,
    /// Attach the key to this lease: it is deleted when the lease ends.
    #[arg(long, value_name = "ID", value_parser = parse_lease)]
    pub(crate) lease: Option<LeaseId>,
    /// Delete the key after this time unless it is changed before: seconds, or with a unit.
    #[arg(long, value_parser = parse_duration, conflicts_with = "lease")]
    pub(crate) ttl: Option<Duration>,
    #[command(flatten)]
    pub(crate) encoding: KeyArgs,
}

/// `kv del`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["keys", "prefix", "range", "all"])))]
pub(crate) struct DelArgs {
    /// The keys.
    pub(crate) keys: Vec<OsString>,
    /// Delete every key that begins so.
    #[arg(long)]
    pub(crate) prefix: Option<OsString>,
    /// Delete every key from FROM up to, but not including, TO.
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"])]
    pub(crate) range: Option<Vec<OsString>>,
    /// Delete every key of the store.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) encoding: KeyArgs,
}

/// Which keys; all unless said otherwise.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RangeArgs {
    /// Only keys that begin so.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub(crate) prefix: Option<OsString>,
    /// From this key on.
    #[arg(long)]
    pub(crate) from: Option<OsString>,
    /// Up to this key, exclusive.
    #[arg(long)]
    pub(crate) to: Option<OsString>,
}

/// `kv scan`
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// At most this many results; 1,000 by default, no limit with --all.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// From the last key to the first.
    #[arg(long)]
    pub(crate) reverse: bool,
    /// Print only keys, one a line.
    #[arg(long, conflicts_with = "count")]
    pub(crate) keys_only: bool,
    /// Print only how many keys there are.
    #[arg(long, conflicts_with_all = ["all", "limit"])]
    pub(crate) count: bool,
    /// Go through all pages, all at one revision.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) consistency: ConsistencyArgs,
}

/// `kv cas`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("expectation").required(true).args(["expect", "absent"])))]
pub(crate) struct CasArgs {
    /// The key.
    pub(crate) key: OsString,
    /// The new value.
    pub(crate) new: OsString,
    /// The value that the key must hold.
    #[arg(long, value_name = "VALUE")]
    pub(crate) expect: Option<OsString>,
    /// The key must not exist.
    #[arg(long)]
    pub(crate) absent: bool,
    #[command(flatten)]
    pub(crate) encoding: KeyArgs,
}
