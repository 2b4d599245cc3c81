//! A failure written down: enough to play it again and to understand it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::run::{Plan, Report};
use crate::check::Violation;
use crate::history::History;

/// What is kept of a failed run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Artifact {
    /// The broken promise.
    pub verdict: Violation,
    /// What was run: the setup, and the faults that are left after minimising.
    pub plan: Plan,
    /// How many faults there were before.
    pub faults_drawn: usize,
    /// The run's digest.
    pub digest: (u64, u64),
    /// The last events.
    pub trace: Vec<String>,
    /// What clients did to single keys.
    pub history: History,
}

impl Artifact {
    /// What is kept of a run that failed; `None` when it did not.
    pub fn of(plan: &Plan, report: &Report, faults_drawn: usize) -> Option<Self> {
        let verdict = report.verdict.clone().err()?;
        Some(Self {
            verdict,
            plan: plan.clone(),
            faults_drawn,
            digest: report.digest,
            trace: report.tail.clone(),
            history: report.history.clone(),
        })
    }

    /// Writes it into a directory; answers where.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, directory: &Path) -> io::Result<PathBuf> {
        std::fs::create_dir_all(directory)?;
        let (seed, workload) = (self.plan.seed(), self.plan.workload());
        let path = directory.join(format!("{workload}-{seed}.json"));
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }

    /// Reads one.
    ///
    /// # Errors
    /// When the file cannot be read or is none.
    pub fn load(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }
}
