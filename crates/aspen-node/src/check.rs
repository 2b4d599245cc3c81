//! Checks the files of a node that does not run.

use std::path::Path;
use std::sync::Arc;

use aspen_core::runtime;
use aspen_storage::state;
use aspen_storage::{LogError, LogOptions, RedbLogStore};

use crate::StartError;
use crate::core::GROUPS;
use crate::data_dir::DataDir;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What was looked at and is well, in words.
    pub checked: Vec<String>,
    /// What is wrong; empty when all is well.
    pub problems: Vec<String>,
}

/// Reads everything that a node has on disk and checks it. The node must not run.
///
/// # Errors
/// When the directory is no node's, or one that runs.
pub async fn check_dir(path: &Path) -> Result<Findings, StartError> {
    let path = path.to_owned();
    let dir = runtime::spawn_blocking(move || DataDir::open_existing(&path)).await??;
    let dir = Arc::new(dir);
    let mut findings = Findings::default();
    match check_log(&dir).await {
        Ok(text) => findings.checked.push(text),
        Err(error) => findings.problems.push(error),
    }
    let states = runtime::spawn_blocking(move || check_states(&dir)).await?;
    findings.checked.extend(states.checked);
    findings.problems.extend(states.problems);
    Ok(findings)
}

async fn check_log(dir: &DataDir) -> Result<String, String> {
    let path = dir.log_file();
    if !path.exists() {
        return Err(format!("{} is missing", path.display()));
    }
    let open = move || RedbLogStore::open(&path, LogOptions::default());
    let log = runtime::spawn_blocking(open).await.map_err(|error| error.to_string())?;
    let log = log.map_err(|error| error.to_string())?;
    let verdict = verify(dir, &log).await;
    // Nothing was written, so there is nothing to lose by closing.
    let _ = log.close().await;
    verdict.map_err(|error| error.to_string())
}

async fn verify(dir: &DataDir, log: &RedbLogStore) -> Result<String, LogError> {
    let identity = dir.identity();
    let foreign = log.node().is_some_and(|node| node != identity.node)
        || log.cluster().is_some_and(|cluster| Some(cluster) != identity.cluster);
    if foreign {
        let detail = "it is not of the node and cluster that identity.json names";
        return Err(LogError::Incompatible(detail.to_owned()));
    }
    let check = log.verify().await?;
    Ok(format!("log: {} entries of {} groups", check.entries, check.groups))
}

fn check_states(dir: &DataDir) -> Findings {
    let mut findings = Findings::default();
    for group in GROUPS {
        match state::check_dir(&dir.group_dir(group)) {
            Ok(problems) if problems.is_empty() => findings.checked.push(format!("{group}: state")),
            Ok(problems) => {
                findings.problems.extend(problems.iter().map(|text| format!("{group}: {text}")));
            }
            Err(error) => findings.problems.push(format!("{group}: {error}")),
        }
    }
    findings
}
