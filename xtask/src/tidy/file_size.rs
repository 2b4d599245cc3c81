//! Files that hold more than one concept, judged by their length.

use super::Finding;
use super::syntax::{attributes, is_test_only, is_test_path, lines, parse};
use super::tree::Tree;

/// Past this many non-test lines a file is worth a look.
const NOTE_LINES: usize = 400;
/// Past this many non-test lines it has to be split.
const ERROR_LINES: usize = 700;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let files = tree.with_extension("rs").filter(|(path, _)| !is_test_path(path));
    files.filter_map(|(path, text)| judge(path, non_test_lines(text))).collect()
}

fn judge(path: &str, lines: usize) -> Option<Finding> {
    if lines > ERROR_LINES {
        let message = format!("{lines} non-test lines; split it below {ERROR_LINES}");
        return Some(Finding::error(path, message));
    }
    let long = lines > NOTE_LINES;
    long.then(|| Finding::note(path, format!("{lines} non-test lines; is it one concept?")))
}

/// All lines less those of top-level items that only test builds see.
fn non_test_lines(text: &str) -> usize {
    let items = parse(text).map(|file| file.items).unwrap_or_default();
    let test_items = items.iter().filter(|item| is_test_only(attributes(item)));
    let test_lines = test_items.map(lines).map(|(first, last)| last - first + 1).sum();
    text.lines().count().saturating_sub(test_lines)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::Severity;
    use super::*;

    fn severities(path: &str, code: usize, tests: usize) -> Vec<Severity> {
        let code = "const _: () = ();\n".repeat(code);
        let tests = "const _: () = ();\n".repeat(tests);
        let text = format!("{code}#[cfg(test)]\nmod tests {{\n{tests}}}\n");
        check(&Tree::of([(path, &text)])).into_iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn test_lines_do_not_count() {
        assert!(severities("crates/a/src/lib.rs", 400, 2000).is_empty());
        assert!(severities("crates/a/src/x/tests.rs", 900, 0).is_empty());
    }

    #[test]
    fn long_files_are_noted_and_then_refused() {
        assert_eq!(severities("crates/a/src/lib.rs", 401, 0), [Severity::Note]);
        assert_eq!(severities("crates/a/src/lib.rs", 701, 0), [Severity::Error]);
    }
}
