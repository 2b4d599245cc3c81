//! Documents that name files which do not exist.

use super::Finding;
use super::tree::{Tree, parent, resolve};

/// A backticked word with one of these endings and a `/` is taken for a path of this repository.
const EXTENSIONS: &[&str] = &["rs", "md", "toml", "nix", "yaml", "yml", "sh", "sql"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.with_extension("md").filter(|(path, _)| is_document(path));
    documents.flat_map(|(path, text)| check_document(tree, path, text)).collect()
}

fn is_document(path: &str) -> bool {
    path.starts_with("docs/") || !path.contains('/')
}

fn check_document(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_code_block = false;
    for (index, line) in text.lines().enumerate() {
        in_code_block ^= line.trim_start().starts_with("```");
        if in_code_block {
            continue;
        }
        let missing = named_paths(line).into_iter().filter(|name| !exists(tree, path, name));
        findings.extend(missing.map(|name| {
            let place = format!("{path}:{}", index + 1);
            Finding::error(place, format!("names `{name}`, which does not exist"))
        }));
    }
    findings
}

/// The paths that one line of Markdown names, in backticks or as the target of a link.
fn named_paths(line: &str) -> Vec<&str> {
    let quoted = line.split('`').skip(1).step_by(2).filter(|word| looks_like_path(word));
    let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let links = links.map(|(target, _)| target).filter(|target| is_local_link(target));
    let links = links.filter_map(|target| target.split('#').next());
    quoted.chain(links).filter(|name| !name.is_empty()).collect()
}

fn looks_like_path(word: &str) -> bool {
    let outside = word.starts_with(['/', '~', '$', '-']) || word.contains("://");
    // Placeholders such as `NNNN-title.md` in angle brackets, globs and commands are not files.
    let pattern = word.contains([' ', '*', '<', '{', '…', '(']) || word.contains("NNNN");
    let extension = word.rsplit_once('.').map(|(_, extension)| extension);
    let file = extension.is_some_and(|extension| EXTENSIONS.contains(&extension));
    let directory = word.starts_with("crates/") || word.starts_with("docs/");
    !outside && !pattern && word.contains('/') && (file || directory)
}

fn is_local_link(target: &str) -> bool {
    !target.contains(':') && !target.starts_with('#')
}

/// From the document's own directory, from the top, or from `crates/`, where a path that begins
/// with a crate's name counts from.
fn exists(tree: &Tree, document: &str, name: &str) -> bool {
    let bases = [parent(document), "", "crates"];
    bases.iter().filter_map(|base| resolve(base, name)).any(|path| tree.contains(&path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn findings(document: &str) -> Vec<String> {
        let tree = Tree::of([
            ("docs/guide/a.md", document),
            ("docs/b.md", ""),
            ("crates/aspen-core/src/key.rs", ""),
            ("README.md", ""),
        ]);
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn paths_that_exist_pass() {
        assert!(findings("`docs/b.md` [b](../b.md#part) `../b.md` [r](/README.md)").is_empty());
        assert!(findings("`crates/aspen-core/` `aspen-core/src/key.rs`").is_empty());
    }

    #[test]
    fn what_is_no_path_of_this_repository_passes() {
        assert!(
            findings("`kv/get` `/etc/a.toml` `https://x.y/z.md` `docs/<name>.md` `a.rs`")
                .is_empty()
        );
        assert!(findings("[x](https://x.y/z.md) [y](#part)\n```\n`docs/no.md`\n```").is_empty());
    }

    #[test]
    fn missing_files_are_found() {
        assert_eq!(findings("see `docs/no.md`"), ["names `docs/no.md`, which does not exist"]);
        assert_eq!(findings("see [x](../no.md)").len(), 1);
        assert_eq!(findings("`aspen-core/src/no.rs` and `crates/aspen-no/`").len(), 2);
    }
}
