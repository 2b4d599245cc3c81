//! Who may know whom.

use super::Finding;
use super::manifests::{Manifest, aliases, packages};
use super::tree::Tree;

/// Each package of the workspace and the packages of the workspace that it may depend on. The
/// order is the order of the layers: nothing may depend on a package further down.
const EDGES: &[(&str, &[&str])] = &[
    ("aspen-core", &[]),
    ("aspen-sharding", &["aspen-core"]),
    ("aspen-txn", &["aspen-core", "aspen-sharding"]),
    ("aspen-layers", &["aspen-core", "aspen-txn"]),
    ("aspen-storage", &["aspen-core"]),
    ("aspen-raft", &["aspen-core", "aspen-storage"]),
    ("aspen-net", &["aspen-core"]),
    ("aspen-client", &["aspen-core", "aspen-sharding", "aspen-txn", "aspen-net"]),
    (
        "aspen-node",
        &[
            "aspen-core",
            "aspen-sharding",
            "aspen-txn",
            "aspen-layers",
            "aspen-storage",
            "aspen-raft",
            "aspen-net",
            "aspen-client",
        ],
    ),
    // The command line speaks to a cluster as any user does; the vocabulary is everyone's.
    ("aspen-cli", &["aspen-core", "aspen-client", "aspen-layers"]),
    ("xtask", &[]),
    // It measures another system and must not be able to borrow from this one.
    ("peer-etcd", &[]),
    // It bombards what takes bytes from outside, wherever that is.
    (
        "aspen-fuzz",
        &[
            "aspen-core",
            "aspen-layers",
            "aspen-storage",
            "aspen-raft",
            "aspen-net",
            "aspen-node",
            "aspen-cli",
        ],
    ),
];

/// The workspace-wide tests, which may use everything.
const SEES_ALL: &str = "aspen-tests";

/// Names that say where code was put instead of what it is; such crates grow without end.
const BANNED_SUFFIXES: &[&str] = &["-types", "-common", "-utils", "-constants"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = packages(tree);
    let aliases = aliases(tree);
    let ours = |name: &String| manifests.iter().any(|m| &m.name == name);
    let mut findings = Vec::new();
    for manifest in &manifests {
        findings.extend(bad_suffix(manifest));
        let mut used = manifest.dependencies(&aliases);
        used.retain(|name| ours(name) || name.starts_with("aspen-"));
        match allowed(&manifest.name) {
            Allowed::Everything => {}
            Allowed::Unknown => findings.push(unknown(manifest)),
            Allowed::Only(names) => {
                used.retain(|name| !names.contains(&name.as_str()) && *name != manifest.name);
                findings.extend(used.iter().map(|name| bad_edge(manifest, name, names)));
            }
        }
    }
    findings
}

enum Allowed {
    Everything,
    Only(&'static [&'static str]),
    Unknown,
}

fn allowed(name: &str) -> Allowed {
    if name == SEES_ALL {
        return Allowed::Everything;
    }
    let row = EDGES.iter().find(|(package, _)| *package == name);
    row.map_or(Allowed::Unknown, |(_, names)| Allowed::Only(names))
}

fn bad_edge(manifest: &Manifest<'_>, used: &str, allowed: &[&str]) -> Finding {
    let allowed = if allowed.is_empty() { "none".to_string() } else { allowed.join(", ") };
    let message = format!("{} may not depend on {used}; allowed: {allowed}", manifest.name);
    Finding::error(manifest.path, message)
}

fn unknown(manifest: &Manifest<'_>) -> Finding {
    let message = format!("the table in {} has no row for {}", file!(), manifest.name);
    Finding::error(manifest.path, message)
}

fn bad_suffix(manifest: &Manifest<'_>) -> Option<Finding> {
    let suffix = BANNED_SUFFIXES.iter().find(|suffix| manifest.name.ends_with(**suffix))?;
    let message =
        format!("a crate named `…{suffix}` has no subject; move its parts to their users");
    Some(Finding::error(manifest.path, message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn findings(name: &str, body: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{name}\"\n{body}");
        let root =
            "[workspace.dependencies]\nstore = { package = \"aspen-storage\", path = \"x\" }";
        let tree = Tree::of([("crates/it/Cargo.toml", &text), ("Cargo.toml", root)]);
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn an_allowed_edge_passes() {
        let body = "[dependencies]\naspen-core.workspace = true\nserde = \"1\"";
        assert!(findings("aspen-raft", body).is_empty());
    }

    #[test]
    fn a_forbidden_edge_is_found_in_every_kind_of_dependency() {
        for section in [
            "dependencies",
            "dev-dependencies",
            "build-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            let found = findings("aspen-net", &format!("[{section}]\naspen-raft.workspace = true"));
            assert!(found[0].starts_with("aspen-net may not depend on aspen-raft"), "{found:?}");
        }
    }

    #[test]
    fn a_renamed_dependency_is_still_found() {
        assert_eq!(findings("aspen-net", "[dependencies]\nstore.workspace = true").len(), 1);
        let renamed = "[dependencies]\nx = { package = \"aspen-node\", path = \"../node\" }";
        assert_eq!(findings("aspen-net", renamed).len(), 1);
    }

    #[test]
    fn tests_see_everything_and_xtask_nothing() {
        let body = "[dependencies]\naspen-node.workspace = true";
        assert!(findings("aspen-tests", body).is_empty());
        assert_eq!(findings("xtask", body).len(), 1);
    }

    #[test]
    fn an_unlisted_crate_and_a_suffix_are_found() {
        assert!(findings("aspen-new", "")[0].contains("no row for aspen-new"));
        assert!(findings("aspen-net-types", "")[0].contains("-types"));
    }
}
