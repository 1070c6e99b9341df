//! The names that the items of a module bring into its scope.

use crate::structure::tokens::{Path, identifiers, name};
use quote::ToTokens;
use std::collections::{BTreeMap, HashSet};
use syn::visit::{self, Visit};
use syn::{Ident, Item, ItemUse, UseTree, Visibility};

/// The meaning of a name in a module.
#[derive(Clone, Debug)]
pub enum Binding {
    /// An item that the module of this number defines.
    Item(usize),
    /// A child module, by its number in the package.
    Module(usize),
    /// An import or re-export.
    Import(Path),
}

/// The scope of a module.
#[derive(Default, Debug)]
pub struct Names {
    /// The number of the module.
    module: usize,
    pub bindings: BTreeMap<String, Vec<Binding>>,
    /// The modules whose names are all imported.
    pub globs: Vec<Path>,
    /// Imports that the code of the module uses in any case.
    pub used_imports: Vec<Path>,
    /// Private imports that the code does not name. They count as used if they are traits.
    pub unnamed_imports: Vec<Path>,
    pub traits: HashSet<String>,
    /// Macros that the whole crate can name.
    pub exported_macros: Vec<String>,
    /// Whether a macro call in item position can define further names.
    pub has_generated_items: bool,
}

impl Names {
    /// Collects the names of a module's items. Child modules are added by the caller.
    pub fn of(module: usize, items: &[Item]) -> Names {
        let mut names = Names { module, ..Names::default() };
        let mut mentioned = HashSet::new();
        for item in items.iter().filter(|item| !matches!(item, Item::Use(_))) {
            identifiers(item.to_token_stream(), &mut mentioned);
        }
        for item in items {
            match item {
                Item::Use(import) => names.import(import, Some(&mentioned)),
                Item::Macro(item) => names.add_macro(item),
                _ => names.add_item(item),
            }
            LocalImports { names: &mut names }.visit_item(item);
        }
        names
    }

    pub fn bind(&mut self, name: String, binding: Binding) {
        self.bindings.entry(name).or_default().push(binding);
    }

    fn define(&mut self, identifier: &Ident) {
        self.bind(name(identifier), Binding::Item(self.module));
    }

    fn add_item(&mut self, item: &Item) {
        if let Some(identifier) = identifier(item) {
            self.define(identifier);
        }
        if let Item::Trait(item) = item {
            self.traits.insert(name(&item.ident));
        }
        if let Item::ForeignMod(block) = item {
            for item in &block.items {
                match item {
                    syn::ForeignItem::Fn(item) => self.define(&item.sig.ident),
                    syn::ForeignItem::Static(item) => self.define(&item.ident),
                    syn::ForeignItem::Type(item) => self.define(&item.ident),
                    _ => {}
                }
            }
        }
    }

    fn add_macro(&mut self, item: &syn::ItemMacro) {
        let Some(identifier) = &item.ident else {
            self.has_generated_items = true;
            return;
        };
        self.define(identifier);
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) {
            self.exported_macros.push(name(identifier));
        }
    }

    /// Adds an import. `mentioned` has the identifiers in the module's code, or is none for an import within a function.
    fn import(&mut self, import: &ItemUse, mentioned: Option<&HashSet<String>>) {
        if import.leading_colon.is_some() {
            return;
        }
        let mut leaves = Vec::new();
        flatten(&import.tree, &mut Path::new(), &mut leaves);
        let is_private = matches!(import.vis, Visibility::Inherited);
        for (path, name) in leaves {
            let Some(name) = name else {
                self.globs.push(path);
                continue;
            };
            if is_private {
                let is_used = mentioned.is_none_or(|mentioned| mentioned.contains(&name));
                let list = if is_used { &mut self.used_imports } else { &mut self.unnamed_imports };
                list.push(path.clone());
            }
            if name != "_" {
                self.bind(name, Binding::Import(path));
            }
        }
    }
}

/// The name of an item that other code can name, except modules and macros.
fn identifier(item: &Item) -> Option<&Ident> {
    Some(match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    })
}

/// The paths of a use tree, each with the name to which it is bound, or none for a glob.
fn flatten(tree: &UseTree, prefix: &mut Path, leaves: &mut Vec<(Path, Option<String>)>) {
    let mut leaf = |last: &Ident, bound: &Ident| {
        let mut path = prefix.clone();
        if last != "self" {
            path.push(name(last));
        }
        let bound = if bound == "self" { path.last().cloned() } else { Some(name(bound)) };
        leaves.push((path, bound));
    };
    match tree {
        UseTree::Path(path) => {
            prefix.push(name(&path.ident));
            flatten(&path.tree, prefix, leaves);
            prefix.pop();
        }
        UseTree::Name(item) => leaf(&item.ident, &item.ident),
        UseTree::Rename(item) => leaf(&item.ident, &item.rename),
        UseTree::Glob(_) => leaves.push((prefix.clone(), None)),
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| flatten(tree, prefix, leaves));
        }
    }
}

/// Adds imports within functions to the scope of the module.
struct LocalImports<'a> {
    names: &'a mut Names,
}

impl<'ast> Visit<'ast> for LocalImports<'_> {
    fn visit_block(&mut self, block: &'ast syn::Block) {
        for statement in &block.stmts {
            if let syn::Stmt::Item(Item::Use(import)) = statement {
                self.names.import(import, None);
            }
        }
        visit::visit_block(self, block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_tree_is_flattened() -> syn::Result<()> {
        let import: ItemUse =
            syn::parse_str("use crate::a::{self, b::C, d as e, f::*, g::G as _};")?;
        let mut leaves = Vec::new();
        flatten(&import.tree, &mut Path::new(), &mut leaves);
        let leaves: Vec<_> = leaves
            .iter()
            .map(|(path, name)| format!("{} {}", path.join("::"), name.as_deref().unwrap_or("*")))
            .collect();
        let expected = [
            "crate::a a",
            "crate::a::b::C C",
            "crate::a::d e",
            "crate::a::f *",
            "crate::a::g::G _",
        ];
        assert_eq!(leaves, expected);
        Ok(())
    }

    #[test]
    fn imports_are_used_where_the_code_names_them() -> syn::Result<()> {
        let file = syn::parse_file(
            "use a::A; use b::B; pub use c::C; fn f(_: A, _: C) { use d::D; } thread_local! {}",
        )?;
        let names = Names::of(0, &file.items);
        assert_eq!(names.used_imports, [["a", "A"], ["d", "D"]]);
        assert_eq!(names.unnamed_imports, [["b", "B"]]);
        assert!(names.has_generated_items && names.bindings.contains_key("f"));
        Ok(())
    }
}
