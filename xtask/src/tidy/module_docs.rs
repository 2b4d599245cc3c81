//! Crates whose first page says nothing.

use super::Finding;
use super::syntax::parse;
use super::tree::Tree;
use syn::AttrStyle;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let roots = tree.iter().filter(|(path, _)| path.ends_with("src/lib.rs"));
    let silent = roots.filter(|(_, text)| !has_module_docs(text));
    silent
        .map(|(path, _)| Finding::error(path, "says nothing: open it with a `//!` page"))
        .collect()
}

/// Whether the file opens with documentation of itself.
fn has_module_docs(text: &str) -> bool {
    parse(text).is_none_or(|file| {
        let mut inner = file.attrs.iter().filter(|a| matches!(a.style, AttrStyle::Inner(_)));
        inner.any(|attribute| attribute.path().is_ident("doc"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn findings(text: &str) -> usize {
        check(&Tree::of([("crates/a/src/lib.rs", text)])).len()
    }

    #[test]
    fn a_page_of_words_passes() {
        assert_eq!(findings("//! The words.\npub mod a {}"), 0);
        assert_eq!(findings("#![allow(missing_docs)]\n//! The words."), 0);
    }

    #[test]
    fn a_silent_crate_is_found() {
        assert_eq!(findings("/// Outer words.\npub mod a {}"), 1);
        assert_eq!(findings("// A comment is not documentation.\npub mod a {}"), 1);
    }
}
