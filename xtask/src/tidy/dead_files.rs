//! Source files that no `mod` declares: they look alive and are never compiled.

use super::Finding;
use super::manifests::{Manifest, packages};
use super::syntax::parse;
use super::tree::{Tree, parent, resolve};
use std::collections::BTreeSet;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ItemMod, Lit, Macro, Meta};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    let mut pending: Vec<String> = packages(tree).iter().flat_map(|m| roots(tree, m)).collect();
    while let Some(path) = pending.pop() {
        let is_root = !reached.contains(&path);
        if let (true, Some(text)) = (is_root, tree.text(&path)) {
            pending.extend(children(tree, &path, text));
            reached.insert(path);
        }
    }
    let dead = tree.with_extension("rs").filter(|(path, _)| !reached.contains(*path));
    dead.map(|(path, _)| Finding::error(path, "no `mod` declares this file: declare or delete it"))
        .collect()
}

/// The files cargo compiles by itself: by their place, or because the manifest names them.
fn roots(tree: &Tree, manifest: &Manifest<'_>) -> Vec<String> {
    let directory = manifest.directory;
    let named = manifest.target_paths();
    let named = named.into_iter().filter_map(|path| resolve(directory, path));
    let placed = tree.with_extension("rs").filter_map(|(path, _)| {
        let inside = path.strip_prefix(directory)?.strip_prefix('/')?;
        is_target(inside).then(|| path.to_string())
    });
    named.chain(placed).collect()
}

/// Whether cargo takes the file at `path`, seen from its package, for the root of a target.
fn is_target(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    match parts.as_slice() {
        ["src", "bin", rest @ ..] | ["tests" | "examples" | "benches", rest @ ..] => {
            matches!(rest, [_] | [_, "main.rs"])
        }
        parts => matches!(parts, ["build.rs"] | ["src", "lib.rs" | "main.rs"]),
    }
}

/// The files that `path` declares or includes and that exist.
fn children(tree: &Tree, path: &str, text: &str) -> Vec<String> {
    let Some(file) = parse(text) else { return Vec::new() };
    let mut found = Declarations::at(path);
    found.visit_file(&file);
    found.candidates.retain(|candidate| tree.text(candidate).is_some());
    found.candidates
}

/// Walks one file and collects every path that a declaration in it could mean.
struct Declarations {
    /// Directory of the file itself, from which `#[path]` and `include!` count.
    file_directory: String,
    /// Directory in which the current module's children live.
    module_directory: String,
    candidates: Vec<String>,
}

impl Declarations {
    fn at(path: &str) -> Self {
        let directory = parent(path).to_string();
        let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
        // A target's root may have any name; both directories are tried, since only one can exist.
        let module_directory = match stem {
            "mod" | "lib" | "main" | "build" => directory.clone(),
            stem if is_target_directory(&directory) => format!("{directory}/{stem}"),
            stem => resolve(&directory, stem).unwrap_or_default(),
        };
        Self { file_directory: directory, module_directory, candidates: Vec::new() }
    }

    fn declare(&mut self, name: &str) {
        let mut bases = vec![self.module_directory.clone()];
        if is_target_directory(&self.file_directory) {
            bases.push(self.file_directory.clone());
        }
        for base in bases {
            self.candidates.extend(resolve(&base, &format!("{name}.rs")));
            self.candidates.extend(resolve(&base, &format!("{name}/mod.rs")));
        }
    }
}

/// Directories whose files are roots, so that their modules lie beside them.
fn is_target_directory(directory: &str) -> bool {
    let last = directory.rsplit('/').next().unwrap_or(directory);
    matches!(last, "bin" | "tests" | "examples" | "benches")
}

impl<'ast> Visit<'ast> for Declarations {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.to_string();
        let name = name.trim_start_matches("r#");
        let outer = self.module_directory.clone();
        if item.content.is_some() {
            self.module_directory = format!("{outer}/{name}");
            visit::visit_item_mod(self, item);
            self.module_directory = outer;
            return;
        }
        let paths: Vec<String> = item.attrs.iter().filter_map(path_attribute).collect();
        for path in &paths {
            self.candidates.extend(resolve(&self.file_directory, path));
            self.candidates.extend(resolve(&self.module_directory, path));
        }
        self.declare(name);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        let literal = item.parse_body::<syn::LitStr>();
        if let (true, Ok(path)) = (item.path.is_ident("include"), literal) {
            self.candidates.extend(resolve(&self.file_directory, &path.value()));
        }
    }
}

/// The file that `#[path = "…"]` names, also inside `#[cfg_attr(…, path = "…")]`.
fn path_attribute(attribute: &Attribute) -> Option<String> {
    let text = |value: &Expr| match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    };
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("path") => text(&meta.value),
        Meta::List(list) if list.path.is_ident("cfg_attr") => {
            let inner = list.tokens.to_string();
            let (_, after) = inner.split_once("path = \"")?;
            after.split_once('"').map(|(path, _)| path.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const MANIFEST: (&str, &str) =
        ("crates/a/Cargo.toml", "[package]\nname = \"a\"\n[[example]]\npath = \"../../ex/e.rs\"");

    fn dead<const N: usize>(files: [(&str, &str); N]) -> Vec<String> {
        let tree = Tree::of(files);
        check(&tree).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn declared_files_of_every_shape_are_alive() {
        let lib = "mod one; pub mod two { mod inner; } #[path = \"odd.rs\"] mod three; \
                   #[cfg(test)] mod tests; #[cfg_attr(madsim, path = \"sim.rs\")] mod real; \
                   mod x { include!(\"gen.rs\"); }";
        let found = dead([
            MANIFEST,
            ("crates/a/src/lib.rs", lib),
            ("crates/a/src/one.rs", "mod deep;"),
            ("crates/a/src/one/deep.rs", ""),
            ("crates/a/src/two/inner.rs", ""),
            ("crates/a/src/odd.rs", ""),
            ("crates/a/src/sim.rs", ""),
            ("crates/a/src/real.rs", ""),
            ("crates/a/src/gen.rs", ""),
            ("crates/a/src/tests.rs", ""),
            ("crates/a/src/bin/tool.rs", ""),
            ("crates/a/tests/all.rs", "mod shared;"),
            ("crates/a/tests/shared/mod.rs", "mod part;"),
            ("crates/a/tests/shared/part.rs", ""),
            ("ex/e.rs", ""),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn an_undeclared_file_is_found() {
        let found = dead([
            MANIFEST,
            ("crates/a/src/lib.rs", "mod one;"),
            ("crates/a/src/one.rs", ""),
            ("crates/a/src/errors.rs", ""),
            ("crates/a/src/one/state.rs", ""),
        ]);
        assert_eq!(found, ["crates/a/src/errors.rs", "crates/a/src/one/state.rs"]);
    }
}
