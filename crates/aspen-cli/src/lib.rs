//! The `aspen` command: keys, clusters, bulk data and measurements from a terminal or a script.
//!
//! * `args` says what can be typed, one file per family of commands; `commands` does it, file by
//!   file in the same order.
//! * People get tables, scripts `--json`; what a command found out is also its exit code
//!   (`exit`), and a reader that closes the pipe ends a command quietly.
//! * `import` and `export` move records of a `format` between a file and any
//!   [`aspen_core::KeyValueStore`], in bounded memory whatever the file's size.
//!
//! Architecture invariant: this crate speaks to a cluster only through `aspen-client`, and layers
//! reach it through that.
#![allow(clippy::result_large_err, reason = "a failure ends the process; its size does not matter")]

mod args;
mod bench;
mod commands;
mod exit;
mod export;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod import;
mod output;
mod text;
mod txn;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::args::Cli;
use crate::exit::CliError;

/// Runs the program with the process's arguments and answers its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    init_tracing();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(message) = error.message() {
                eprintln!("aspen: {message}");
            }
            ExitCode::from(error.status().code())
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(aspen_core::runtime::worker_threads())
        .enable_all()
        .build()
        .map_err(CliError::io("cannot start the runtime"))?;
    let result = runtime.block_on(commands::run(cli));
    // A thread may still wait for a line of standard input; the process shall not.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// Diagnostics go to standard error, as much as `ASPEN_LOG` asks for (`error` by default).
fn init_tracing() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ASPEN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
