//! What the commands do.

mod cluster;
mod cluster_view;
mod compact;
mod completions;
mod elect;
mod export;
mod import;
mod input;
mod interrupt;
mod kv;
mod kv_read;
mod kv_scan;
mod kv_write;
mod lease;
mod lock;
mod outcome;
mod sql;
mod ticket;
mod txn;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use aspen_client::{Client, ClientOptions, Ticket};

use crate::args::{Cli, Command, GlobalArgs};
use crate::exit::CliError;
use crate::output::Output;

/// How long one request may take unless `--timeout` says otherwise.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The same for work that nobody waits for at a prompt: it rides out a failover and more.
const BULK_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// Runs one command. What it printed is flushed whether it succeeds or not.
pub(crate) async fn run(cli: Cli) -> Result<(), CliError> {
    let mut output = Output::stdout(cli.global.json);
    let result = dispatch(cli, &mut output).await;
    let flushed = output.finish();
    result.and(flushed)
}

async fn dispatch(cli: Cli, output: &mut Output) -> Result<(), CliError> {
    let global = cli.global;
    match cli.command {
        Command::Kv(command) => {
            let client = connect(&global, TIMEOUT_DEFAULT).await?;
            closing(client.clone(), kv::run(&client, command, output)).await
        }
        Command::Txn { file } => {
            let client = connect(&global, TIMEOUT_DEFAULT).await?;
            closing(client.clone(), txn::run(&client, &file, output)).await
        }
        Command::Sql(args) => {
            // `--timeout` is the query's own time; reaching a node that runs it is not part of it.
            let reaching = GlobalArgs { timeout: None, ..global.clone() };
            let client = connect(&reaching, TIMEOUT_DEFAULT).await?;
            closing(client.clone(), sql::run(&client, args, global.timeout, output)).await
        }
        Command::Watch(args) => {
            let client = connect(&global, TIMEOUT_DEFAULT).await?;
            closing(client.clone(), watch::run(&client, args, output)).await
        }
        Command::Compact { revision } => {
            let client = connect(&global, TIMEOUT_DEFAULT).await?;
            closing(client.clone(), compact::run(&client, revision, output)).await
        }
        Command::Lease(command) => {
            let client = connect(&global, TIMEOUT_DEFAULT).await?;
            closing(client.clone(), lease::run(&client, command, output)).await
        }
        Command::Lock(args) => {
            let client = connect(&global, TIMEOUT_DEFAULT).await?;
            let run = lock::run(Arc::new(client.clone()), args, interrupt::signals()?, output);
            closing(client, run).await
        }
        Command::Elect(args) => {
            let client = connect(&global, TIMEOUT_DEFAULT).await?;
            let run = elect::run(Arc::new(client.clone()), args, interrupt::signals()?, output);
            closing(client, run).await
        }
        Command::Cluster(command) => {
            let client = connect(&global, TIMEOUT_DEFAULT).await?;
            closing(client.clone(), cluster::run(&client, command, output)).await
        }
        Command::Node(command) => {
            let client = connect(&global, TIMEOUT_DEFAULT).await?;
            closing(client.clone(), cluster::run_node(&client, command, output)).await
        }
        Command::Ticket(args) => ticket::run(&global, args, output).await,
        Command::Import(args) => {
            let client = connect(&global, BULK_TIMEOUT_DEFAULT).await?;
            closing(client.clone(), import::run(client, args, output)).await
        }
        Command::Export(args) => {
            let client = connect(&global, BULK_TIMEOUT_DEFAULT).await?;
            closing(client.clone(), export::run(&Arc::new(client), args, output)).await
        }
        Command::Bench(args) => crate::bench::run(&global, args, output).await,
        Command::Completions { shell } => completions::run(shell, output),
    }
}

/// Runs a command and closes its client, so that nodes need not wait for it to time out.
async fn closing(
    client: Client,
    command: impl Future<Output = Result<(), CliError>>,
) -> Result<(), CliError> {
    let result = command.await;
    client.close().await;
    result
}

/// Opens a client for the ticket that was given.
pub(crate) async fn connect(
    global: &GlobalArgs,
    timeout_default: Duration,
) -> Result<Client, CliError> {
    let options = client_options(global, timeout_default);
    Ok(Client::connect_with(parse_ticket(global)?, options).await?)
}

/// The ticket that was given.
fn parse_ticket(global: &GlobalArgs) -> Result<Ticket, CliError> {
    ticket_text(global)?.parse().map_err(invalid_ticket)
}

/// The options that follow from `--timeout`.
fn client_options(global: &GlobalArgs, timeout_default: Duration) -> ClientOptions {
    let timeout_ms = |default: Duration| {
        let timeout = global.timeout.unwrap_or(default);
        u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)
    };
    ClientOptions {
        request_timeout_ms: timeout_ms(timeout_default),
        control_timeout_ms: timeout_ms(BULK_TIMEOUT_DEFAULT),
        ..ClientOptions::default()
    }
}

fn invalid_ticket(error: impl std::fmt::Display) -> CliError {
    CliError::Invalid(format!("invalid ticket: {error}"))
}

/// The ticket's text, from the file if one is named.
fn ticket_text(global: &GlobalArgs) -> Result<String, CliError> {
    if let Some(path) = &global.ticket_file {
        let text = std::fs::read_to_string(path)
            .map_err(CliError::io(format!("cannot read {}", path.display())))?;
        return Ok(text.trim().to_owned());
    }
    match &global.ticket {
        Some(ticket) => Ok(ticket.trim().to_owned()),
        None => Err(CliError::Invalid(
            "no ticket: give --ticket or --ticket-file, or set ASPEN_TICKET".to_owned(),
        )),
    }
}
