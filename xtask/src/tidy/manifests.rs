//! The workspace's manifests, as far as rules need them.

use super::tree::{Tree, parent};
use std::collections::BTreeSet;
use toml::{Table, Value};

/// One package of this repository.
pub(super) struct Manifest<'t> {
    /// Repository path of the `Cargo.toml`.
    pub(super) path: &'t str,
    /// The directory it describes.
    pub(super) directory: &'t str,
    pub(super) name: String,
    table: Table,
}

/// The package manifests in `crates/*`, `tests` and `xtask`. One that does not parse is left to
/// cargo, which says more about it.
pub(super) fn packages(tree: &Tree) -> Vec<Manifest<'_>> {
    let manifests = tree.iter().filter(|(path, _)| path.ends_with("/Cargo.toml"));
    manifests.filter_map(|(path, text)| Manifest::parse(path, text)).collect()
}

impl<'t> Manifest<'t> {
    fn parse(path: &'t str, text: &str) -> Option<Self> {
        let table: Table = text.parse().ok()?;
        let name = table.get("package")?.get("name")?.as_str()?.to_string();
        Some(Self { path, directory: parent(path), name, table })
    }

    /// The real package names of everything it depends on: normal, build and development
    /// dependencies, for every target. `aliases` is the workspace's dependency table.
    pub(super) fn dependencies(&self, aliases: &Table) -> BTreeSet<String> {
        let targets = self.table.get("target").and_then(Value::as_table);
        let per_target = targets.into_iter().flat_map(|t| t.values()).filter_map(Value::as_table);
        let mut names = BTreeSet::new();
        for table in std::iter::once(&self.table).chain(per_target) {
            for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
                let entries = table.get(section).and_then(Value::as_table).into_iter().flatten();
                names.extend(entries.map(|(key, value)| package_name(key, value, aliases)));
            }
        }
        names
    }

    /// The `path` of every target that names one, seen from the package's directory.
    pub(super) fn target_paths(&self) -> Vec<&str> {
        let single = self.table.get("lib").into_iter();
        let many = ["bin", "test", "example", "bench"].into_iter();
        let many =
            many.filter_map(|kind| self.table.get(kind)).filter_map(Value::as_array).flatten();
        single.chain(many).filter_map(|target| target.get("path")?.as_str()).collect()
    }
}

/// A dependency may be renamed where it is used or where the workspace declares it.
fn package_name(key: &str, value: &Value, aliases: &Table) -> String {
    let renamed = |value: &Value| value.get("package").and_then(Value::as_str).map(String::from);
    renamed(value).or_else(|| aliases.get(key).and_then(renamed)).unwrap_or_else(|| key.to_string())
}

/// The dependency table of the workspace's own manifest.
pub(super) fn aliases(tree: &Tree) -> Table {
    let root: Option<Table> = tree.text("Cargo.toml").and_then(|text| text.parse().ok());
    let shared = root.as_ref().and_then(|table| table.get("workspace")?.get("dependencies"));
    shared.and_then(Value::as_table).cloned().unwrap_or_default()
}
