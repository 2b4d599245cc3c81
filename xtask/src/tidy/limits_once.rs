//! Limits and public constants that are defined in two places and will drift apart.

use super::Finding;
use super::syntax::{is_conditional, is_test_only, is_test_path, lines, parse};
use super::tree::Tree;
use std::collections::BTreeMap;
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, ImplItemConst, ItemConst, ItemImpl, ItemMod, Type, Visibility};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut places: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    for (path, text) in tree.with_extension("rs") {
        if path.starts_with("crates/") && !is_test_path(path) {
            for (name, place) in constants(path, text) {
                places.entry(name).or_default().push(place);
            }
        }
    }
    places.iter().filter(|(_, places)| !are_one(places)).map(|(n, p)| finding(n, p)).collect()
}

struct Place {
    path: String,
    line: usize,
    conditional: bool,
}

/// One place, or the arms of one build condition beside each other in one file.
fn are_one(places: &[Place]) -> bool {
    let same_file = places.iter().all(|place| place.path == places[0].path);
    places.len() == 1 || (same_file && places.iter().all(|place| place.conditional))
}

fn finding(name: &str, places: &[Place]) -> Finding {
    let listed: Vec<_> = places.iter().map(|p| format!("{}:{}", p.path, p.line)).collect();
    let message = format!("`{name}` is defined {} times: {}", places.len(), listed.join(", "));
    Finding::error(listed[0].clone(), message)
}

fn constants(path: &str, text: &str) -> Vec<(String, Place)> {
    let Some(file) = parse(text) else { return Vec::new() };
    let mut constants = Constants { path, owner: None, found: Vec::new() };
    constants.visit_file(&file);
    constants.found
}

struct Constants<'p> {
    path: &'p str,
    /// The type whose `impl` is being read: its constants are told apart by it.
    owner: Option<String>,
    found: Vec<(String, Place)>,
}

impl Constants<'_> {
    fn add(&mut self, name: &Ident, visibility: &Visibility, attributes: &[Attribute]) {
        let public = matches!(visibility, Visibility::Public(_));
        let plain = name.to_string();
        if is_test_only(attributes) || !(public || is_limit(&plain)) || plain == "_" {
            return;
        }
        let full = self.owner.as_ref().map_or(plain.clone(), |owner| format!("{owner}::{plain}"));
        let conditional = is_conditional(attributes);
        let place = Place { path: self.path.to_string(), line: lines(name).0, conditional };
        self.found.push((full, place));
    }
}

/// Whether a constant's name says that it bounds something.
fn is_limit(name: &str) -> bool {
    name.starts_with("MAX_") || name.ends_with("_MAX") || name.ends_with("_LIMIT")
}

impl<'ast> Visit<'ast> for Constants<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_const(&mut self, item: &'ast ItemConst) {
        self.add(&item.ident, &item.vis, &item.attrs);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        // A trait's constants must have the trait's names, however often it is implemented.
        if item.trait_.is_none() && !is_test_only(&item.attrs) {
            self.owner = type_name(&item.self_ty);
            visit::visit_item_impl(self, item);
            self.owner = None;
        }
    }

    fn visit_impl_item_const(&mut self, item: &'ast ImplItemConst) {
        self.add(&item.ident, &item.vis, &item.attrs);
    }
}

fn type_name(of: &Type) -> Option<String> {
    let Type::Path(path) = of else { return None };
    path.path.segments.last().map(|segment| segment.ident.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn findings(one: &str, two: &str) -> usize {
        check(&Tree::of([("crates/a/src/lib.rs", one), ("crates/b/src/lib.rs", two)])).len()
    }

    #[test]
    fn a_limit_or_a_public_constant_in_two_places_is_found() {
        assert_eq!(findings("const KEY_BYTES_MAX: u8 = 1;", "const KEY_BYTES_MAX: u8 = 2;"), 1);
        assert_eq!(findings("pub const PORT: u8 = 1;", "mod m { pub const PORT: u8 = 1; }"), 1);
        assert_eq!(findings("const MAX_A: u8 = 1; mod m { const MAX_A: u8 = 1; }", ""), 1);
    }

    #[test]
    fn private_names_tests_and_other_types_do_not_collide() {
        assert_eq!(findings("const TABLE: u8 = 1;", "const TABLE: u8 = 1;"), 0);
        assert_eq!(
            findings("pub const A: u8 = 1;", "#[cfg(test)] mod t { pub const A: u8 = 1; }"),
            0
        );
        let (one, two) = ("impl A { pub const MAX: u8 = 1; }", "impl B { pub const MAX: u8 = 1; }");
        assert_eq!(findings(one, two), 0);
    }

    #[test]
    fn the_arms_of_one_condition_are_one_place() {
        let arms = "#[cfg(madsim)] pub const A: u8 = 1; #[cfg(not(madsim))] pub const A: u8 = 2;";
        assert_eq!(findings(arms, ""), 0);
        assert_eq!(findings(arms, "pub const A: u8 = 3;"), 1);
    }
}
