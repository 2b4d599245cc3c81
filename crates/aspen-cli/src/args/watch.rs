//! `aspen watch`

use std::ffi::OsString;

use clap::Args;

use super::kv::{KeyArgs, RangeArgs};

/// What to watch; every key unless said otherwise.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// A single key.
    #[arg(conflicts_with_all = ["prefix", "from", "to"])]
    pub(crate) key: Option<OsString>,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    #[command(flatten)]
    pub(crate) encoding: KeyArgs,
    /// Begin with the changes of this revision; with those after now unless given.
    #[arg(long, value_name = "REVISION", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rev: Option<u64>,
    /// Show what each key held before.
    #[arg(long)]
    pub(crate) previous: bool,
    /// Only keys that are set.
    #[arg(long, conflicts_with = "deletes")]
    pub(crate) puts: bool,
    /// Only keys that are removed.
    #[arg(long)]
    pub(crate) deletes: bool,
    /// Tell about once a second how far the store has come.
    #[arg(long)]
    pub(crate) progress: bool,
    /// End after this many events.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) events: Option<u64>,
    /// Print values as hexadecimal digits.
    #[arg(long)]
    pub(crate) hex: bool,
}
