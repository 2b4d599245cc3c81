//! What the program does, by its command line.

use std::path::Path;
use std::process::ExitCode;

use aspen_core::runtime::worker_threads;
use aspen_node::{Config, Layers, check_dir};

use crate::flags::{Command, Flags};
use crate::serve::serve;

/// The exit code of a node that could not start, and of a check that found something.
pub(crate) const FAILED: u8 = 1;

pub(crate) type Failure = Box<dyn std::error::Error>;

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
