//! The text of the repository, in memory.

use crate::failure::{Failure, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Repository paths, with `/`, to text. Rules see only this, so their tests need no disk.
pub(super) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Every text file under `root` that git tracks or would track. Without git, which a packaged
    /// source has not, every file outside the directories that builds and clusters write.
    pub(super) fn load(root: &Path) -> Outcome<Self> {
        let paths = match tracked(root) {
            Some(paths) => paths,
            None => walked(root)?,
        };
        let read = |path: String| {
            // Binary files, and files deleted but still in git's index, hold no text to judge.
            let text = std::fs::read_to_string(root.join(&path)).ok()?;
            Some((path, text))
        };
        Ok(Self { files: paths.into_iter().filter_map(read).collect() })
    }

    /// A tree of the given `(path, text)` pairs, for tests.
    #[cfg(test)]
    pub(super) fn of<const N: usize>(files: [(&str, &str); N]) -> Self {
        Self { files: files.map(|(path, text)| (path.into(), text.into())).into() }
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// All files, in path order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// All files whose name ends with `.extension`.
    pub(super) fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(move |(path, _)| path.rsplit_once('.').is_some_and(|e| e.1 == extension))
    }

    /// Whether `path` is a file, or a directory that holds one.
    pub(super) fn contains(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let directory = format!("{path}/");
        self.files.contains_key(path)
            || self
                .files
                .range(directory.clone()..)
                .next()
                .is_some_and(|f| f.0.starts_with(&directory))
    }

    /// The names of the directories directly under `crates/`.
    pub(super) fn crate_names(&self) -> BTreeSet<&str> {
        let inside = self.files.keys().filter_map(|path| path.strip_prefix("crates/"));
        inside.filter_map(|path| path.split_once('/').map(|(name, _)| name)).collect()
    }
}

/// `path` seen from directory `base`, with `.` and `..` resolved; `None` when it leaves the tree.
pub(super) fn resolve(base: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The directory that holds `path`; empty for a file at the top.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root).output().ok()?;
    let names = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<_> = names.split('\0').filter(|n| !n.is_empty()).map(String::from).collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

fn walked(root: &Path) -> Outcome<Vec<String>> {
    let mut paths = Vec::new();
    let mut pending = vec![String::new()];
    while let Some(directory) = pending.pop() {
        let entries = std::fs::read_dir(root.join(&directory))
            .map_err(|error| Failure::of(format!("cannot list {directory}"), error))?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = resolve(&directory, &name).unwrap_or(name);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !is_generated(&path) => pending.push(path),
                Ok(kind) if kind.is_file() => paths.push(path),
                _ => {}
            }
        }
    }
    Ok(paths)
}

fn is_generated(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "target" || name == ".git" || path == "cluster"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn paths_resolve_inside_the_tree_only() {
        assert_eq!(resolve("docs/a", "../b.md").unwrap(), "docs/b.md");
        assert_eq!(resolve("docs", "../../b.md"), None);
    }

    #[test]
    fn a_directory_exists_when_a_file_is_in_it() {
        let tree = Tree::of([("docs/a.md", ""), ("docs-old.md", "")]);
        assert!(tree.contains("docs") && tree.contains("docs/") && tree.contains("docs/a.md"));
        assert!(!tree.contains("doc") && !tree.contains("docs/a"));
    }

    #[test]
    fn the_repository_itself_is_loaded_with_and_without_git() {
        let root = crate::workspace::root();
        let loaded = Tree::load(&root).unwrap();
        assert!(loaded.text("xtask/src/tidy/tree.rs").is_some());
        assert!(walked(&root).unwrap().contains(&"xtask/src/tidy/tree.rs".to_string()));
    }
}
