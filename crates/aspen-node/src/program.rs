//! What the program does, by its command line.

use std::path::Path;
use std::process::ExitCode;

use aspen_core::runtime::worker_threads;
use aspen_node::{Config, Layers, Node, check_dir, start_logging};

use crate::flags::{Command, Flags};
use crate::signals::Signals;

/// The exit code of a node that could not start, and of a check that found something.
const FAILED: u8 = 1;

type Failure = Box<dyn std::error::Error>;

/// Runs the program.
pub(crate) fn run_program() -> ExitCode {
    let outcome = Flags::parse(std::env::args_os()).and_then(run);
    outcome.unwrap_or_else(|error| {
        eprintln!("aspen-node: {error}");
        ExitCode::from(FAILED)
    })
}

fn run(flags: Flags) -> Result<ExitCode, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(worker_threads()).enable_all().build()?;
    let code = runtime.block_on(async {
        match &flags.command {
            Command::Check { dir } => check(dir).await,
            Command::PrintConfig => {
                print!("{}", config(&flags)?.to_toml()?);
                Ok(ExitCode::SUCCESS)
            }
            Command::Serve => serve(config(&flags)?).await,
        }
    });
    // A blocking call that hangs, on a dead disk for instance, must not keep the process.
    runtime.shutdown_background();
    code
}

fn config(flags: &Flags) -> Result<Config, Failure> {
    let layers = match &flags.config {
        Some(path) => Layers::new().file(path)?,
        None => Layers::new(),
    };
    let settings = flags.settings.iter().map(|(name, text)| (*name, text.as_str()));
    Ok(layers.environment(environment())?.texts("flag", settings)?.build()?)
}

/// Variables that are not Unicode are none of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

async fn serve(config: Config) -> Result<ExitCode, Failure> {
    start_logging(&config)?;
    let mut signals = Signals::install()?;
    let node = tokio::select! {
        biased;
        node = Node::start(config) => node?,
        name = signals.next() => {
            tracing::info!(signal = name, "stopped before the node was up");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let name = signals.next().await;
    tracing::info!(signal = name, "stopping; a second signal stops at once");
    tokio::select! {
        biased;
        () = node.shutdown() => Ok(ExitCode::SUCCESS),
        name = signals.next() => {
            tracing::warn!(signal = name, "stopped at once");
            Ok(ExitCode::from(FAILED))
        }
    }
}

async fn check(dir: &Path) -> Result<ExitCode, Failure> {
    let findings = check_dir(dir).await?;
    for line in &findings.checked {
        println!("ok: {line}");
    }
    for line in &findings.problems {
        println!("problem: {line}");
    }
    Ok(ExitCode::from(if findings.problems.is_empty() { 0 } else { FAILED }))
}
