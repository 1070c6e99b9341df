//! Finds type names that are defined in more than one place.

use crate::structure::modules::Package;
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};
use syn::{Ident, Item, Visibility};

/// A type name with several definitions.
#[derive(Debug)]
pub struct Duplicate {
    pub name: String,
    /// The file of each definition, and whether it is visible outside of it.
    pub places: Vec<(String, bool)>,
}

impl Duplicate {
    /// Whether two or more definitions are visible outside of their files.
    pub fn is_visible(&self) -> bool {
        self.places.iter().filter(|(_, is_visible)| *is_visible).count() > 1
    }
}

/// The type names that the packages define more than once. Several variants of a definition in one module count once.
pub fn duplicates<'a>(packages: impl Iterator<Item = &'a Package>) -> Vec<Duplicate> {
    let mut found: BTreeMap<String, BTreeMap<(String, String), bool>> = BTreeMap::new();
    for package in packages {
        let paths = module_paths(package);
        for (module, path) in package.modules.iter().zip(paths) {
            let mut types = Types::default();
            module.items.iter().for_each(|item| types.visit_item(item));
            for (name, is_visible) in types.found {
                let place = (package.files[module.file].path.clone(), path.clone());
                *found.entry(name).or_default().entry(place).or_default() |= is_visible;
            }
        }
    }
    let several = found.into_iter().filter(|(_, places)| places.len() > 1);
    several
        .map(|(name, places)| {
            let places = places.into_iter().map(|((file, _), is_visible)| (file, is_visible));
            Duplicate { name, places: places.collect() }
        })
        .collect()
}

/// The position of each module within its file, as text.
fn module_paths(package: &Package) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    let mut counts = BTreeMap::new();
    for module in &package.modules {
        let parent = module.parent.filter(|&parent| package.modules[parent].file == module.file);
        let path = match parent {
            Some(parent) => {
                let count: &mut usize = counts.entry(parent).or_default();
                *count += 1;
                format!("{}/{count}", paths[parent])
            }
            None => String::new(),
        };
        paths.push(path);
    }
    paths
}

/// The types that items define, each with its visibility.
#[derive(Default)]
struct Types {
    found: BTreeSet<(String, bool)>,
    /// The number of open blocks. Types in blocks are visible only there.
    depth: usize,
}

impl Types {
    fn add(&mut self, name: &Ident, visibility: &Visibility) {
        let is_visible = match visibility {
            Visibility::Public(_) => true,
            Visibility::Restricted(restricted) => !restricted.path.is_ident("self"),
            Visibility::Inherited => false,
        };
        self.found.insert((name.to_string(), is_visible && self.depth == 0));
    }
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Struct(item) => self.add(&item.ident, &item.vis),
            Item::Enum(item) => self.add(&item.ident, &item.vis),
            Item::Union(item) => self.add(&item.ident, &item.vis),
            Item::Trait(item) => self.add(&item.ident, &item.vis),
            Item::TraitAlias(item) => self.add(&item.ident, &item.vis),
            Item::Type(item) => self.add(&item.ident, &item.vis),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.depth += 1;
        visit::visit_block(self, block);
        self.depth -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Result;
    use std::fs;

    #[test]
    fn names_count_when_two_definitions_are_visible() -> Result<()> {
        let workspace = tempfile::tempdir()?;
        fs::create_dir_all(workspace.path().join("host/src"))?;
        for (file, text) in [
            ("lib.rs", "mod a; mod b; struct Private; pub struct Once; #[cfg(test)] struct Test;"),
            ("a.rs", "pub struct Both; pub enum Single {} struct Private; pub struct Test;"),
            (
                "b.rs",
                "pub(crate) type Both = u8; trait Single { type Once; } mod i { pub trait Twice {} }
                 pub union Twice { a: u8 } fn f() { pub struct Private; }
                 #[cfg(unix)] pub struct Either; #[cfg(not(unix))] pub struct Either;",
            ),
        ] {
            fs::write(workspace.path().join("host/src").join(file), text)?;
        }
        let package = Package::read(workspace.path(), "host")?;
        let found = duplicates([&package].into_iter());
        let shown: Vec<_> = found.iter().map(|found| (&*found.name, found.is_visible())).collect();
        assert_eq!(shown, [("Both", true), ("Private", false), ("Single", false), ("Twice", true)]);
        assert_eq!(
            found[2].places,
            [("host/src/a.rs".into(), true), ("host/src/b.rs".into(), false)]
        );
        Ok(())
    }
}
