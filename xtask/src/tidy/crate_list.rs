//! The crate list in the architecture document against the workspace.

use super::Finding;
use super::tree::Tree;
use std::collections::BTreeSet;

const DOCUMENT: &str = "docs/architecture.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(DOCUMENT) else {
        return vec![Finding::error(DOCUMENT, "is missing; it lists the crates and their edges")];
    };
    let listed = listed_crates(text);
    let present = tree.crate_names();
    let absent = present.difference(&listed).map(|name| format!("does not list `crates/{name}`"));
    let unknown = listed.difference(&present);
    let unknown = unknown.map(|name| format!("lists `{name}`, which is not in `crates/`"));
    absent.chain(unknown).map(|message| Finding::error(DOCUMENT, message)).collect()
}

/// The crate names in the first column of the document's tables.
fn listed_crates(text: &str) -> BTreeSet<&str> {
    let rows = text.lines().filter_map(|line| line.trim_start().strip_prefix('|'));
    let cells = rows.filter_map(|row| row.split('|').next());
    cells.map(|cell| cell.trim().trim_matches('`')).filter(|cell| is_crate_name(cell)).collect()
}

fn is_crate_name(cell: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c == '-';
    cell.starts_with("aspen-") && cell.chars().all(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn findings(document: &str) -> Vec<String> {
        let tree = Tree::of([(DOCUMENT, document), ("crates/aspen-core/src/lib.rs", "")]);
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn the_same_list_passes() {
        assert!(findings("| crate | does |\n|---|---|\n| `aspen-core` | words |").is_empty());
    }

    #[test]
    fn missing_and_invented_crates_are_found() {
        let found = findings("| `aspen-moon` | shines |");
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_missing_document_is_found() {
        assert_eq!(check(&Tree::of([])).len(), 1);
    }
}
