//! `aspen elect`

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use aspen_core::{KeyValueStore, Leases, Value, Watch};
use aspen_layers::coordination::{
    CoordinationError, Coordinator, Election, FencingToken, Leadership,
};
use futures_util::TryStreamExt;
use serde_json::{Map, Value as Json, json};

use super::input;
use super::interrupt::Interrupts;
use super::lock::signalled;
use crate::args::coordination::ElectArgs;
use crate::exit::CliError;
use crate::output::Output;
use crate::text;

/// How many characters of a leader's value a line shows.
const LEADER_VALUE_CHARS_MAX: usize = 200;

/// Leads until an interrupt, or prints who does.
pub(super) async fn run<S>(
    store: Arc<S>,
    args: ElectArgs,
    interrupts: Interrupts,
    output: &mut Output,
) -> Result<(), CliError>
where
    S: KeyValueStore + Watch + Leases + 'static,
{
    let coordinator = Coordinator::new(store).with_ttl(args.hold.ttl)?;
    let election = coordinator.election(args.name.as_bytes())?;
    match &args.value {
        None => observe(&election, args.events, interrupts, output).await,
        Some(value) => lead(&election, value, &args, interrupts, output).await,
    }
}

async fn observe(
    election: &Election,
    events: Option<u64>,
    mut interrupts: Interrupts,
    output: &mut Output,
) -> Result<(), CliError> {
    let mut leaders = election.observe();
    let mut left = events.unwrap_or(u64::MAX);
    while left > 0 {
        let next = tokio::select! {
            biased;
            next = leaders.try_next() => next?,
            _ = interrupts.next() => return Ok(()),
        };
        let Some(leader) = next else { return Ok(()) };
        print(leader.token, &leader.value, output)?;
        left -= 1;
    }
    Ok(())
}

async fn lead(
    election: &Election,
    value: &OsStr,
    args: &ElectArgs,
    mut interrupts: Interrupts,
    output: &mut Output,
) -> Result<(), CliError> {
    let value = input::value(value.as_bytes())?;
    let elected = tokio::select! {
        biased;
        elected = campaign(election, value.clone(), args) => elected?,
        signal = interrupts.next() => return Err(signalled(signal)),
    };
    let Some(leadership) = elected else {
        eprintln!("aspen: another leads");
        return Err(CliError::Negative);
    };
    print(leadership.token(), &value, output)?;
    tokio::select! {
        biased;
        () = leadership.lost() => return Err(CliError::Failed("leadership is lost".to_owned())),
        _ = interrupts.next() => {}
    }
    match leadership.resign().await {
        Err(CoordinationError::LeaseLost) => {
            Err(CliError::Failed("leadership was lost before".to_owned()))
        }
        // Nobody can be reached: it ends by itself.
        _ => Ok(()),
    }
}

/// Waits to be elected; `None` when the time is over.
async fn campaign(
    election: &Election,
    value: Value,
    args: &ElectArgs,
) -> Result<Option<Leadership>, CliError> {
    let elected = match args.hold.wait {
        Some(patience) => election.campaign_within(value, patience).await,
        None => election.campaign(value).await,
    };
    match elected {
        Ok(leadership) => Ok(Some(leadership)),
        Err(CoordinationError::DeadlinePassed) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn print(token: FencingToken, value: &Value, output: &mut Output) -> Result<(), CliError> {
    let bytes = value.as_bytes();
    match output.is_json() {
        true => {
            let mut leader = Map::from_iter([("token".to_owned(), json!(token.get()))]);
            text::insert_bytes(&mut leader, "value", bytes);
            output.json(&Json::Object(leader))?;
        }
        false => {
            let value = text::excerpt(bytes, LEADER_VALUE_CHARS_MAX);
            output.line(format!("{token} {value}"))?;
        }
    }
    output.finish()
}

#[cfg(test)]
mod tests;
