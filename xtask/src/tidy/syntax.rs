//! Rust source as a syntax tree with line numbers.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::{Attribute, File, Item};

/// The parsed file. One that does not parse is left to the compiler, which says more about it.
pub(super) fn parse(text: &str) -> Option<File> {
    syn::parse_file(text).ok()
}

/// First and last line of `node`, both 1-based and included.
pub(super) fn lines(node: &impl Spanned) -> (usize, usize) {
    span_lines(node.span())
}

/// First and last line of `span`.
pub(super) fn span_lines(span: Span) -> (usize, usize) {
    (span.start().line, span.end().line)
}

/// Whether the attributes leave an item out of everything but test builds.
pub(super) fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Ok(list) = attribute.meta.require_list() else { return false };
        let condition = list.tokens.to_string().replace(' ', "");
        list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
    })
}

/// Whether the attributes choose an item by any build condition.
pub(super) fn is_conditional(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg"))
}

/// Whether a file holds only tests, by the workspace's naming.
pub(super) fn is_test_path(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests")
}

/// The attributes of any item that has them.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The lines that string literals cover, each with the literal's width on that line in columns.
/// Text documentation is a literal too for the parser; it can be wrapped and is left out.
pub(super) fn literal_widths(text: &str) -> Vec<(usize, usize)> {
    let rows: Vec<Vec<char>> = text.lines().map(|row| row.chars().collect()).collect();
    let mut found = Vec::new();
    if let Ok(tokens) = text.parse::<TokenStream>() {
        collect_literals(tokens, &rows, &mut found);
    }
    found
}

fn collect_literals(tokens: TokenStream, rows: &[Vec<char>], found: &mut Vec<(usize, usize)>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect_literals(group.stream(), rows, found),
            TokenTree::Literal(literal) => literal_rows(literal.span(), rows, found),
            _ => {}
        }
    }
}

fn literal_rows(span: Span, rows: &[Vec<char>], found: &mut Vec<(usize, usize)>) {
    let (start, end) = (span.start(), span.end());
    let opening = rows.get(start.line - 1).and_then(|row| row.get(start.column));
    if opening == Some(&'/') {
        return;
    }
    for line in start.line..=end.line {
        let width = rows.get(line - 1).map_or(0, Vec::len);
        let first = if line == start.line { start.column } else { 0 };
        let last = if line == end.line { end.column } else { width };
        found.push((line, last.saturating_sub(first)));
    }
}
