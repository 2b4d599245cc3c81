//! Text that must not be committed.

use super::Finding;
use super::tree::Tree;

/// What is banned and what to do instead. The pieces are joined here so that this file passes.
const MACROS: &[(&str, &str)] = &[
    (concat!("todo", "!("), "finish it or leave it out"),
    (concat!("unimplemented", "!("), "finish it or leave it out"),
    (concat!("dbg", "!("), "use a trace event"),
];

/// The beginnings of absolute paths that exist on one person's machine only.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.iter().filter(|(path, _)| !path.ends_with(".lock")) {
        for (index, line) in text.lines().enumerate() {
            let place = || format!("{path}:{}", index + 1);
            findings.extend(banned_in(line).map(|message| Finding::error(place(), message)));
        }
    }
    findings
}

fn banned_in(line: &str) -> Option<String> {
    let banned = MACROS.iter().find(|(word, _)| line.contains(word));
    if let Some((word, instead)) = banned {
        return Some(format!("`{word}…)`: {instead}"));
    }
    let path = MACHINE_PATHS.iter().find(|path| names_path(line, path))?;
    Some(format!("`{path}…` is a path of one machine; name a path of the repository"))
}

/// Whether `path` begins a path here, rather than lying inside an address or a longer path.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | '}' | '~'))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn findings(line: &str) -> usize {
        check(&Tree::of([("docs/a.md", line)])).len()
    }

    #[test]
    fn unfinished_code_is_found() {
        assert_eq!(findings(&format!("fn f() {{ {}) }}", MACROS[0].0)), 1);
    }

    #[test]
    fn machine_paths_are_found_and_addresses_are_not() {
        for path in MACHINE_PATHS {
            assert_eq!(findings(&format!("see {path}x")), 1);
            assert_eq!(findings(&format!("see `{path}x`")), 1);
            assert_eq!(findings(&format!("see https://example.org{path}x")), 0);
        }
    }
}
