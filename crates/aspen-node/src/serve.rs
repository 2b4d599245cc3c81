//! Serving until a signal says stop, also past failures that a new start mends.

use std::process::ExitCode;
use std::time::Duration;

use aspen_core::runtime;
use aspen_node::{Config, Node, StartError, start_logging};

use crate::program::{FAILED, Failure};
use crate::signals::Signals;

/// How long a node that failed waits before it starts again. Longer spares a disk that has no room
/// yet; shorter serves again sooner.
const START_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What ended a node's service.
enum End {
    /// A signal has stopped it.
    Signal(ExitCode),
    /// It has stopped because a part of it failed.
    Failure,
}

/// Runs a node until a signal stops it. One whose disk failed under it starts again, as often as it
/// takes; what no new start can mend ends the program with the reason.
pub(crate) async fn serve(config: Config) -> Result<ExitCode, Failure> {
    start_logging(&config)?;
    let mut signals = Signals::install()?;
    let mut has_served = false;
    loop {
        let started = tokio::select! {
            biased;
            started = Node::start(config.clone()) => started,
            name = signals.next() => return Ok(stopped_while_down(name)),
        };
        match started {
            Ok(node) => match serve_once(node, &mut signals).await {
                End::Signal(code) => return Ok(code),
                End::Failure => has_served = true,
            },
            Err(error) if has_served && error.may_pass() => report(&error),
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            biased;
            name = signals.next() => return Ok(stopped_while_down(name)),
            () = runtime::sleep(START_AGAIN_AFTER) => {}
        }
    }
}

fn report(error: &StartError) {
    tracing::error!(%error, again_after = ?START_AGAIN_AFTER, "the node cannot start yet");
}

fn stopped_while_down(signal: &str) -> ExitCode {
    tracing::info!(signal, "stopped before the node was up");
    ExitCode::SUCCESS
}

async fn serve_once(node: Node, signals: &mut Signals) -> End {
    let reason = tokio::select! {
        biased;
        name = signals.next() => Some(name),
        group = node.failed() => {
            tracing::error!(%group, "a replica has stopped by itself; the node will start again");
            None
        }
    };
    if let Some(name) = reason {
        tracing::info!(signal = name, "stopping; a second signal stops at once");
    }
    tokio::select! {
        biased;
        () = node.shutdown() => match reason {
            Some(_) => End::Signal(ExitCode::SUCCESS),
            None => End::Failure,
        },
        name = signals.next() => {
            tracing::warn!(signal = name, "stopped at once");
            End::Signal(ExitCode::from(FAILED))
        }
    }
}
