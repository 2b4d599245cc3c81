//! Functions that no longer fit on a screen.

use super::Finding;
use super::syntax::{parse, span_lines};
use super::tree::Tree;
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn};

/// The most lines a function may have, from its signature to its closing brace.
const LINES_MAX: usize = 70;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.with_extension("rs").flat_map(|(path, text)| check_file(path, text)).collect()
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let Some(file) = parse(text) else { return Vec::new() };
    let mut functions = Functions { path, findings: Vec::new() };
    functions.visit_file(&file);
    functions.findings
}

struct Functions<'p> {
    path: &'p str,
    findings: Vec<Finding>,
}

impl Functions<'_> {
    fn judge(&mut self, signature: &Signature, body: &Block) {
        let (first, _) = span_lines(signature.span());
        let closing: Span = body.brace_token.span.close();
        let lines = span_lines(closing).1 - first + 1;
        if lines > LINES_MAX {
            let message = format!("`{}` has {lines} lines; at most {LINES_MAX}", signature.ident);
            self.findings.push(Finding::error(format!("{}:{first}", self.path), message));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.judge(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.judge(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.judge(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// A function of exactly `lines` lines inside `wrapper`, whose `@` it replaces.
    fn findings(wrapper: &str, lines: usize) -> Vec<Finding> {
        let function = format!("fn long() {{\n{}}}", "let _ = 1;\n".repeat(lines - 2));
        check(&Tree::of([("crates/a/src/lib.rs", &wrapper.replace('@', &function))]))
    }

    #[test]
    fn seventy_lines_pass() {
        assert!(findings("@", 70).is_empty());
        assert!(findings("/// Documentation\n/// does not count.\n@", 70).is_empty());
    }

    #[test]
    fn a_longer_function_is_found_wherever_it_is() {
        for wrapper in ["@", "impl A { @ }", "trait A { @ }", "mod m { @ }", "fn outer() { @ }"] {
            let found = findings(wrapper, 71);
            assert!(found[0].message.contains("lines; at most 70"), "{wrapper}");
        }
    }
}
