//! `aspen lock`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;

use aspen_core::{KeyValueStore, Leases, Watch};
use aspen_layers::coordination::{CoordinationError, Coordinator, Guard, Lock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::process::{Child, Command};

use super::interrupt::Interrupts;
use crate::args::coordination::{HoldArgs, LockArgs};
use crate::exit::CliError;
use crate::output::Output;

/// Where a command finds the fencing token, and the lock's name.
const TOKEN_VARIABLE: &str = "ASPEN_LOCK_TOKEN";
const NAME_VARIABLE: &str = "ASPEN_LOCK_NAME";

/// What shells answer for a command that a signal ended, above the signal's number.
const SIGNALLED_CODE: i32 = 128;

/// Holds a lock while a command runs.
pub(super) async fn run<S>(
    store: Arc<S>,
    args: LockArgs,
    mut interrupts: Interrupts,
    output: &mut Output,
) -> Result<(), CliError>
where
    S: KeyValueStore + Watch + Leases + 'static,
{
    let coordinator = Coordinator::new(store).with_ttl(args.hold.ttl)?;
    let lock = coordinator.lock(args.name.as_bytes())?;
    let taken = tokio::select! {
        biased;
        taken = take(&lock, args.no_wait, args.hold) => taken?,
        signal = interrupts.next() => return Err(signalled(signal)),
    };
    let Some(guard) = taken else {
        eprintln!("aspen: the lock is not free");
        return Err(CliError::Negative);
    };
    let result = match args.command.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments).env(NAME_VARIABLE, &args.name);
            run_under(&guard, command, program, &mut interrupts).await
        }
        None => hold(&guard, &mut interrupts, output).await,
    };
    release(guard).await.and(result)
}

/// Takes the lock; `None` when it is not to be had in time.
async fn take(lock: &Lock, no_wait: bool, hold: HoldArgs) -> Result<Option<Guard>, CliError> {
    let taken = match hold.wait {
        _ if no_wait => return Ok(lock.try_lock().await?),
        Some(patience) => lock.lock_within(patience).await,
        None => lock.lock().await,
    };
    match taken {
        Ok(guard) => Ok(Some(guard)),
        Err(CoordinationError::DeadlinePassed) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Runs a command until it ends or the lock is lost.
async fn run_under(
    guard: &Guard,
    mut command: Command,
    program: &OsString,
    interrupts: &mut Interrupts,
) -> Result<(), CliError> {
    command.env(TOKEN_VARIABLE, guard.token().to_string()).kill_on_drop(true);
    let failed = || CliError::io(format!("cannot run {}", program.display()));
    let mut child = command.spawn().map_err(failed())?;
    loop {
        tokio::select! {
            biased;
            () = guard.lost() => {
                child.kill().await.map_err(failed())?;
                return Err(CliError::Failed("the lock is lost; the command was killed".to_owned()));
            }
            ended = child.wait() => return judged(ended.map_err(failed())?),
            signal = interrupts.next() => pass_on(&child, signal),
        }
    }
}

/// Lets the command decide what a signal means. A terminal has sent an interrupt to it already.
fn pass_on(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id.filter(|_| signal == Signal::TERM) {
        // It may have ended in this moment.
        let _ = kill_process(id, signal);
    }
}

fn judged(status: ExitStatus) -> Result<(), CliError> {
    let code = status.code().or(status.signal().map(|signal| SIGNALLED_CODE + signal));
    match code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1) {
        0 => Ok(()),
        code => Err(CliError::Command(code)),
    }
}

/// What a signal that ends this process makes of its exit code.
pub(super) fn signalled(signal: Signal) -> CliError {
    CliError::Command(u8::try_from(SIGNALLED_CODE + signal.as_raw()).unwrap_or(1))
}

/// Prints the token and holds the lock until a signal, or until it is lost.
async fn hold(
    guard: &Guard,
    interrupts: &mut Interrupts,
    output: &mut Output,
) -> Result<(), CliError> {
    match output.is_json() {
        true => output.json(&json!({"token": guard.token().get()}))?,
        false => output.line(guard.token())?,
    }
    output.finish()?;
    tokio::select! {
        biased;
        () = guard.lost() => Err(CliError::Failed("the lock is lost".to_owned())),
        _ = interrupts.next() => Ok(()),
    }
}

/// Releases the lock. That it was lost is said only where nobody has said so; that nobody can be
/// reached does no harm, since it ends by itself.
async fn release(guard: Guard) -> Result<(), CliError> {
    let was_held = guard.is_held();
    match guard.release().await {
        Err(CoordinationError::LeaseLost) if was_held => {
            Err(CliError::Failed("the lock was lost before the command ended".to_owned()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
