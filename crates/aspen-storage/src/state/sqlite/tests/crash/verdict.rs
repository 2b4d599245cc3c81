//! What a directory must hold after a crash.

use std::path::Path;

use aspen_core::{KeyRange, KeyValue, Projection, Revision, SCAN_RESULTS_MAX, ScanRequest};

use super::child::Progress;
use super::history::History;
use crate::state::sqlite::body::{self, Role};
use crate::state::sqlite::registers::{Registers, load_sessions};
use crate::state::sqlite::tests::support::{open, options};
use crate::state::sqlite::{SqliteStateMachine, check_dir};
use crate::state::{MemoryTables, SnapshotReader, StateMachine, Tables};

/// Opens a directory and compares all of it with what a process said before its end; then applies
/// the rest of the history and compares again.
///
/// # Errors
/// Says what is wrong.
pub(super) async fn judge(dir: &Path, history: &History, said: Progress) -> Result<(), String> {
    let Progress { promised, told } = said;
    let machine = open(dir);
    let found = machine.applied().position.map_or(0, |at| at.index.get());
    if found < promised || found > told {
        return Err(format!("it stands at {found}; promised {promised}, told {told}"));
    }
    same_state(&machine, &history.model_at(found)).await?;
    sound(&machine).await?;
    for from in (found..history.end()).step_by(7) {
        let upto = history.end().min(from + 7);
        let replies = machine.apply(history.between(from, upto).to_vec()).await;
        let replies = replies.map_err(|error| format!("entries after {from}: {error}"))?;
        if replies != history.replies[from as usize..upto as usize] {
            return Err(format!("other replies than the first time, after {from}"));
        }
    }
    machine.flush().await.map_err(|error| error.to_string())?;
    same_state(&machine, &history.model_at(history.end())).await?;
    sound(&machine).await?;
    machine.close().await.map_err(|error| error.to_string())?;
    drop(machine);
    match check_dir(dir) {
        Ok(faults) if faults.is_empty() => nothing_left_over(dir),
        found => Err(format!("the closed directory: {found:?}")),
    }
}

/// Every register, session, key and past revision of a state that is wholly in its body.
async fn same_state(machine: &SqliteStateMachine, model: &MemoryTables) -> Result<(), String> {
    let group = model.group();
    let connection = body::open(&machine.core.body().1, Role::Reader, &options());
    let connection = connection.map_err(|error| error.to_string())?;
    let registers = Registers::load(&connection).map_err(|error| error.to_string())?;
    let sessions = load_sessions(&connection).map_err(|error| error.to_string())?;
    same("revision", registers.revision, group.revision)?;
    same("horizon", registers.horizon, group.horizon)?;
    same("clock", registers.clock_ms, group.clock_ms)?;
    same("sessions", &sessions, &group.sessions)?;
    for at in group.horizon.get()..=group.revision.get() {
        let at = Some(Revision::new(at));
        same(&format!("keys at {at:?}"), all(machine, at).await, all_of(model, at))?;
    }
    let above = Some(group.revision.next());
    same("the future", all(machine, above).await, all_of(model, above))?;
    let below = group.horizon.get().checked_sub(1).map(Revision::new);
    match below {
        Some(_) => same("the past", all(machine, below).await, all_of(model, below)),
        None => Ok(()),
    }
}

fn everything() -> ScanRequest {
    ScanRequest {
        limit: SCAN_RESULTS_MAX,
        projection: Projection::Full,
        ..ScanRequest::new(KeyRange::all())
    }
}

async fn all(machine: &SqliteStateMachine, at: Option<Revision>) -> Result<Vec<KeyValue>, String> {
    let page = machine.scan(everything(), at).await;
    page.map(|page| page.entries).map_err(|error| error.to_string())
}

fn all_of(model: &MemoryTables, at: Option<Revision>) -> Result<Vec<KeyValue>, String> {
    let page = model.scan(&everything(), at);
    page.map(|page| page.entries).map_err(|error| error.to_string())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<(), String> {
    match found == wanted {
        true => Ok(()),
        false => Err(format!("{what}: found {found:?}, not {wanted:?}")),
    }
}

/// The database's own checks, and those of the snapshot that it shows.
async fn sound(machine: &SqliteStateMachine) -> Result<(), String> {
    let faults = machine.check_integrity().await.map_err(|error| error.to_string())?;
    same("faults", &faults, &Vec::new())?;
    let Some(file) = machine.latest_snapshot().await.map_err(|error| error.to_string())? else {
        return Ok(());
    };
    let header = SnapshotReader::verify(&file.path).map_err(|error| error.to_string())?;
    same("the snapshot's position", header.applied, file.applied)
}

fn nothing_left_over(dir: &Path) -> Result<(), String> {
    let names = |dir: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let states = names(dir).into_iter().filter(|name| name.ends_with(".db")).count();
    let strange = names(dir).into_iter().find(|name| name.contains("tmp"));
    let snapshots = names(&dir.join("snapshots"));
    let unfinished = snapshots.into_iter().find(|name| !name.ends_with(".snapshot"));
    match (states, strange.or(unfinished)) {
        (1, None) => Ok(()),
        (_, left) => Err(format!("{states} databases, left over: {left:?}")),
    }
}
