//! `cargo xtask tidy`: the rules that no compiler checks.
//!
//! A rule is a pure function from the text of the repository to findings, in a file of its own,
//! with a test that shows it failing. A new rule is one more line in [`RULES`].

mod banned_words;
mod crate_edges;
mod crate_list;
mod dead_files;
mod doc_paths;
mod file_size;
mod function_size;
mod limits_once;
mod line_length;
mod manifests;
mod module_docs;
mod syntax;
mod tree;

use crate::failure::{Failure, Outcome};
use std::fmt;
use tree::Tree;

/// Reads the repository and says what is wrong in it.
type Rule = fn(&Tree) -> Vec<Finding>;

/// Every rule with the name that its findings carry.
const RULES: &[(&str, Rule)] = &[
    ("crate-edges", crate_edges::check),
    ("dead-files", dead_files::check),
    ("file-size", file_size::check),
    ("function-size", function_size::check),
    ("limits-once", limits_once::check),
    ("doc-paths", doc_paths::check),
    ("crate-list", crate_list::check),
    ("module-docs", module_docs::check),
    ("line-length", line_length::check),
    ("banned-words", banned_words::check),
];

/// One thing a rule has to say about one place.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// Repository path, with `:line` where a line is to blame.
    place: String,
    /// What is wrong and what to do instead.
    message: String,
    severity: Severity,
}

#[derive(Debug, PartialEq, Eq)]
enum Severity {
    /// Fails the task.
    Error,
    /// Is worth a look and fails nothing.
    Note,
}

impl Finding {
    fn error(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into(), severity: Severity::Error }
    }

    fn note(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into(), severity: Severity::Note }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Note => "note",
        };
        write!(f, "{severity}: {}: {}", self.place, self.message)
    }
}

/// Runs every rule over the repository and prints all findings, errors last.
pub(crate) fn run() -> Outcome {
    let tree = Tree::load(&crate::workspace::root())?;
    let mut findings: Vec<(&str, Finding)> = Vec::new();
    for (name, check) in RULES {
        findings.extend(check(&tree).into_iter().map(|finding| (*name, finding)));
    }
    findings.sort_by_key(|(_, finding)| finding.severity == Severity::Error);
    for (name, finding) in &findings {
        eprintln!("{finding} [{name}]");
    }
    let errors = findings.iter().filter(|(_, f)| f.severity == Severity::Error).count();
    eprintln!("tidy: {} files, {} rules, {errors} errors", tree.len(), RULES.len());
    if errors == 0 { Ok(()) } else { Err(Failure::new(format!("tidy found {errors} errors"))) }
}
