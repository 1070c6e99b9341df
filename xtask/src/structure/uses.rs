//! Finds the paths that the code of a module contains.

use crate::structure::tokens::{self, Path, is_lower, name};
use std::collections::{BTreeSet, HashSet};
use std::mem;
use syn::visit::{self, Visit};
use syn::{Item, Meta};

/// All paths in the items, except imports and, if they can be recognised, names of local variables.
pub fn paths(items: &[Item]) -> BTreeSet<Path> {
    let mut uses = Uses::default();
    items.iter().for_each(|item| uses.visit_item(item));
    uses.paths
}

#[derive(Default)]
struct Uses {
    paths: BTreeSet<Path>,
    /// The local variables of the function.
    variables: HashSet<String>,
}

impl Uses {
    fn add(&mut self, path: Path) {
        let is_variable =
            path.len() == 1 && is_lower(&path[0]) && self.variables.contains(&path[0]);
        if !is_variable {
            self.paths.insert(path);
        }
    }

    fn add_tokens(&mut self, tokens: &proc_macro2::TokenStream) {
        let mut found = Vec::new();
        tokens::paths(tokens.clone(), &mut found);
        found.into_iter().for_each(|path| self.add(path));
    }

    /// Visits a function with its own variables.
    fn scoped(&mut self, variables: Variables, visit: impl FnOnce(&mut Self)) {
        let outer = mem::replace(&mut self.variables, variables.0);
        self.variables.extend(outer.iter().cloned());
        visit(self);
        self.variables = outer;
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.add(path.segments.iter().map(|segment| name(&segment.ident)).collect());
        }
        visit::visit_path(self, path);
    }

    /// A constant in a pattern looks like a variable.
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        if !is_lower(&name(&pattern.ident)) {
            self.add(vec![name(&pattern.ident)]);
        }
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.add_tokens(&item.tokens);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let Meta::List(list) = &attribute.meta
            && !list.path.is_ident("cfg")
        {
            self.add_tokens(&list.tokens);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let mut variables = Variables::default();
        variables.visit_item_fn(item);
        self.scoped(variables, |uses| visit::visit_item_fn(uses, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let mut variables = Variables::default();
        variables.visit_impl_item_fn(item);
        self.scoped(variables, |uses| visit::visit_impl_item_fn(uses, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        let mut variables = Variables::default();
        variables.visit_trait_item_fn(item);
        self.scoped(variables, |uses| visit::visit_trait_item_fn(uses, item));
    }

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_item_use(&mut self, _: &'ast syn::ItemUse) {}
}

/// The names that the patterns of a function bind.
#[derive(Default)]
struct Variables(HashSet<String>);

impl<'ast> Visit<'ast> for Variables {
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.0.insert(name(&pattern.ident));
        visit::visit_pat_ident(self, pattern);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_code_and_macros_but_not_in_imports() -> syn::Result<()> {
        let file = syn::parse_file(
            "use a::Imported;
             #[derive(D)] struct S(pub(super) b::B<c::C>);
             fn f(x: T) -> R { match x { LIMIT => g(x), y => m!(y, h::H { z: 1 }) } }",
        )?;
        let found: Vec<_> = paths(&file.items).iter().map(|path| path.join("::")).collect();
        let expected = ["D", "LIMIT", "R", "T", "b::B", "c::C", "g", "h::H", "m", "z"];
        assert_eq!(found, expected);
        Ok(())
    }
}
