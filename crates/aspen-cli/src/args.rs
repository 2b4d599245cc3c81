//! What can be typed.

pub(crate) mod bench;
pub(crate) mod cluster;
pub(crate) mod coordination;
pub(crate) mod data;
pub(crate) mod kv;
pub(crate) mod lease;
pub(crate) mod sql;
pub(crate) mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use self::bench::BenchArgs;
use self::cluster::{ClusterCommand, NodeCommand, TicketArgs};
use self::coordination::{ElectArgs, LockArgs};
use self::data::{ExportArgs, ImportArgs};
use self::kv::KvCommand;
use self::lease::LeaseCommand;
use self::sql::SqlArgs;
use self::watch::WatchArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, or the cluster is unavailable (also when the reader of the output went away)
  2  wrong usage or invalid input
  3  the answer is no: key not found, compare failed, conflict
  4  denied: the ticket lacks the right
  5  unknown outcome: the write may have been applied

Diagnostics: set ASPEN_LOG to error, warn, info, debug or trace.";

/// Aspen: an ordered, transactional, replicated key-value store.
#[derive(Debug, Parser)]
#[command(name = "aspen", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct GlobalArgs {
    /// The cluster's ticket (`aspen…`). It holds a secret: treat it as a password.
    #[arg(long, global = true, env = "ASPEN_TICKET", hide_env_values = true)]
    pub(crate) ticket: Option<String>,
    /// A file that holds the ticket; wins over --ticket and ASPEN_TICKET.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) ticket_file: Option<PathBuf>,
    /// Print JSON instead of tables.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How long a request may take with all its retries: seconds, or with a unit (500ms, 10s, 2m).
    /// 10 s by default; 60 s for import, export and changes of the cluster; 5 s for a SQL query to
    /// run once a node has it.
    #[arg(long, global = true, value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read and write keys.
    #[command(subcommand)]
    Kv(KvCommand),
    /// Run a transaction from a script or JSON; exit code 3 when a compare fails.
    #[command(after_help = crate::txn::HELP)]
    Txn {
        /// The file; `-` for standard input.
        file: PathBuf,
    },
    /// Run a read-only SQL query over all keys.
    #[command(after_help = self::sql::VIEWS)]
    Sql(SqlArgs),
    /// Print what changes, as it changes.
    Watch(WatchArgs),
    /// Forget history below a revision; reads and watches there answer that it is compacted.
    Compact {
        /// The oldest revision that stays readable.
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        revision: u64,
    },
    /// Grant leases, keep them alive and end them.
    #[command(subcommand)]
    Lease(LeaseCommand),
    /// Run a command while holding a lock.
    ///
    /// The command finds ASPEN_LOCK_TOKEN in its environment: a number that is higher for each
    /// holder, by which what it writes to can refuse an earlier one. It is killed when the lock is
    /// lost; its exit code becomes that of `aspen lock`, 128 + n after signal n.
    Lock(LockArgs),
    /// Stand for election and lead until an interrupt, or watch who leads.
    Elect(ElectArgs),
    /// Look at the cluster and change it.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Look at nodes.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Print a fresh ticket that names every node now known.
    Ticket(TicketArgs),
    /// Write the records of a file, in bulk.
    Import(ImportArgs),
    /// Write keys and values to a file, all at one revision.
    Export(ExportArgs),
    /// Measure the cluster with closed-loop clients.
    Bench(BenchArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Parses `10`, `1.5s`, `500ms` or `2m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds_per_unit = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        other => return Err(format!("unknown unit {other:?}; use ms, s or m")),
    };
    let number: f64 = number.parse().map_err(|_| "expected a number, e.g. 10s".to_owned())?;
    match Duration::try_from_secs_f64(number * seconds_per_unit) {
        Ok(duration) if duration >= Duration::from_millis(1) => Ok(duration),
        _ => Err("expected at least 1ms".to_owned()),
    }
}

#[cfg(test)]
mod tests;
