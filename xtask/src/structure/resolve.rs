//! Resolves paths to the items that they name.

use crate::structure::modules::Package;
use crate::structure::names::Binding;

/// The target of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// An item, by the number of the module that defines it and its name.
    Item(usize, String),
    Module(usize),
}

/// A resolution in one package. Paths to other crates have no target.
pub struct Resolver<'a> {
    package: &'a Package,
    /// The imports that are being followed, by module, name and position. This ends cycles of imports.
    open: Vec<(usize, String, usize)>,
}

impl<'a> Resolver<'a> {
    pub fn new(package: &'a Package) -> Self {
        Resolver { package, open: Vec::new() }
    }

    /// The targets of a path in a module; there are several if the namespaces of types, values and macros share a name.
    pub fn resolve(&mut self, module: usize, path: &[String]) -> Vec<Target> {
        let mut module = module;
        let mut at = 0;
        while let Some(part) = path.get(at) {
            match part.as_str() {
                "crate" => module = self.package.modules[module].root,
                "self" => {}
                "super" => match self.package.modules[module].parent {
                    Some(parent) => module = parent,
                    None => return Vec::new(),
                },
                _ => break,
            }
            at += 1;
        }
        self.descend(module, &path[at..], at > 0)
    }

    /// Follows the names of a path. `is_qualified` states whether the first name must be in the module.
    fn descend(&mut self, module: usize, path: &[String], is_qualified: bool) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else {
            return vec![Target::Module(module)];
        };
        let mut targets = self.lookup(module, first);
        if targets.is_empty()
            && is_qualified
            && self.package.modules[module].names.has_generated_items
        {
            targets.push(Target::Item(module, first.clone()));
        }
        if !rest.is_empty() && targets.iter().any(|target| matches!(target, Target::Module(_))) {
            // Modules and types share a namespace, so an item of this name is a function, a constant or a macro.
            targets.retain(|target| matches!(target, Target::Module(_)));
        }
        let mut found = Vec::new();
        for target in targets {
            match target {
                Target::Module(child) => found.extend(self.descend(child, rest, true)),
                // The next name is a variant or an associated item.
                item => found.push(item),
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// The meaning of a name in a module.
    fn lookup(&mut self, module: usize, name: &str) -> Vec<Target> {
        let names = &self.package.modules[module].names;
        let bindings = names.bindings.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut found = Vec::new();
        for (position, binding) in bindings.iter().enumerate() {
            match binding {
                Binding::Item(owner) => found.push(Target::Item(*owner, name.to_owned())),
                Binding::Module(child) => found.push(Target::Module(*child)),
                Binding::Import(path) => {
                    let targets = self.guarded((module, name.to_owned(), position), |resolver| {
                        resolver.resolve(module, path)
                    });
                    found.extend(targets);
                }
            }
        }
        if !bindings.is_empty() {
            return found;
        }
        for (position, path) in names.globs.iter().enumerate() {
            let targets = self.guarded((module, name.to_owned(), position), |resolver| {
                let mut found = Vec::new();
                for target in resolver.resolve(module, path) {
                    if let Target::Module(source) = target {
                        found.extend(resolver.lookup(source, name));
                    }
                }
                found
            });
            found.extend(targets);
        }
        found
    }

    /// Follows an import, unless it is being followed already.
    fn guarded(
        &mut self,
        import: (usize, String, usize),
        follow: impl FnOnce(&mut Self) -> Vec<Target>,
    ) -> Vec<Target> {
        if self.open.contains(&import) {
            return Vec::new();
        }
        self.open.push(import);
        let found = follow(self);
        self.open.pop();
        found
    }
}
