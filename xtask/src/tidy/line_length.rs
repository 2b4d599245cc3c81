//! Lines that `rustfmt` cannot wrap and a person should.

use super::Finding;
use super::syntax::literal_widths;
use super::tree::Tree;

/// The most columns of a line; `rustfmt.toml` has the same number.
const COLUMNS_MAX: usize = 100;
/// A string literal of this many columns may push its line over: breaking it would hide it from a
/// search for its text.
const LITERAL_COLUMNS: usize = 40;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.with_extension("rs").flat_map(|(path, text)| check_file(path, text)).collect()
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let long = numbered.map(|(number, line)| (number, line.chars().count(), line));
    let mut long: Vec<_> = long.filter(|(_, columns, _)| *columns > COLUMNS_MAX).collect();
    long.retain(|(_, _, line)| !line.contains("://"));
    if long.is_empty() {
        return Vec::new();
    }
    let literals = literal_widths(text);
    let excused =
        |line| literals.iter().any(|(at, width)| *at == line && *width >= LITERAL_COLUMNS);
    long.retain(|(number, _, _)| !excused(*number));
    long.into_iter().map(|(number, columns, _)| finding(path, number, columns)).collect()
}

fn finding(path: &str, line: usize, columns: usize) -> Finding {
    Finding::error(format!("{path}:{line}"), format!("{columns} columns; at most {COLUMNS_MAX}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn places(text: &str) -> Vec<String> {
        let findings = check(&Tree::of([("a.rs", text)]));
        findings.into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn long_comments_documentation_and_code_are_found() {
        let words = "word ".repeat(25);
        assert_eq!(places(&format!("\n// {words}")), ["a.rs:2"]);
        assert_eq!(places(&format!("/// {words}\nfn f() {{}}")), ["a.rs:1"]);
        assert_eq!(places(&format!("const A: u8 = {};", "1 + ".repeat(30) + "1")), ["a.rs:1"]);
    }

    #[test]
    fn addresses_and_long_literals_pass() {
        assert!(places(&format!("// https://example.org/{}", "x".repeat(100))).is_empty());
        assert!(places(&format!("const A: &str = \"{}\";", "x".repeat(100))).is_empty());
        assert!(places(&format!("const A: &str = \"\n{}\n\";", "x".repeat(120))).is_empty());
    }

    #[test]
    fn columns_are_characters() {
        assert!(places(&format!("// {}", "é".repeat(97))).is_empty());
    }
}
