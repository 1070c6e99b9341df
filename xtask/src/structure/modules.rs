//! Reads the module tree of a package.

use crate::structure::names::{Binding, Names};
use crate::structure::source::{is_test_file, parse};
use crate::structure::{lines, tokens};
use anyhow::{Context, Result, bail};
use quote::ToTokens;
use std::fs;
use std::path::{Path, PathBuf};
use syn::{Expr, Item, ItemMod, Lit, Meta};

/// A source file.
#[derive(Debug)]
pub struct File {
    /// Its path, relative to the workspace.
    pub path: String,
    /// Lines of code.
    pub lines: usize,
}

/// A module: a file, or a part of one.
pub struct Module {
    /// The number of its file.
    pub file: usize,
    /// The number of its parent, or none for the root of a crate.
    pub parent: Option<usize>,
    /// The number of the crate's root module.
    pub root: usize,
    /// Its items, without child modules.
    pub items: Vec<Item>,
    pub names: Names,
}

/// The sources of a package: its library and its programs.
pub struct Package {
    /// Its folder, relative to the workspace.
    pub name: String,
    pub files: Vec<File>,
    pub modules: Vec<Module>,
}

impl Package {
    /// Reads the package in a folder of the workspace, without test code.
    pub fn read(workspace: &Path, name: &str) -> Result<Package> {
        let mut package = Package { name: name.to_owned(), files: Vec::new(), modules: Vec::new() };
        let mut reader = Reader { workspace, package: &mut package };
        for root in roots(&workspace.join(name))? {
            let children = root.parent().unwrap_or(&root).to_owned();
            reader.file(&root, None, &children)?;
        }
        Ok(package)
    }
}

/// The files that are roots of crates.
fn roots(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut roots =
        vec![folder.join("src/lib.rs"), folder.join("src/main.rs"), folder.join("build.rs")];
    if let Ok(programs) = fs::read_dir(folder.join("src/bin")) {
        for program in programs {
            let path = program?.path();
            roots.push(if path.is_dir() { path.join("main.rs") } else { path });
        }
    }
    roots.retain(|root| root.is_file());
    roots.sort();
    if roots.is_empty() {
        bail!("no library and no program in {}", folder.display());
    }
    Ok(roots)
}

struct Reader<'a> {
    workspace: &'a Path,
    package: &'a mut Package,
}

impl Reader<'_> {
    /// Reads a file as a module. The files of its child modules are in `children`.
    fn file(&mut self, path: &Path, parent: Option<usize>, children: &Path) -> Result<usize> {
        let shown = path.strip_prefix(self.workspace)?.to_string_lossy().into_owned();
        let text = fs::read_to_string(path).with_context(|| shown.clone())?;
        let source = parse(&text).with_context(|| shown.clone())?;
        let known = self.package.files.iter().position(|file| file.path == shown);
        let file = known.unwrap_or_else(|| {
            let lines = lines::count(&text, source.to_token_stream());
            self.package.files.push(File { path: shown, lines });
            self.package.files.len() - 1
        });
        self.module(file, path, source.items, parent, children)
    }

    /// Adds a module and reads its children.
    fn module(
        &mut self,
        file: usize,
        path: &Path,
        items: Vec<Item>,
        parent: Option<usize>,
        children: &Path,
    ) -> Result<usize> {
        let number = self.package.modules.len();
        let root = parent.map_or(number, |parent| self.package.modules[parent].root);
        let (modules, items): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| matches!(item, Item::Mod(_)));
        let names = Names::of(number, &items);
        if let Some(parent) = parent {
            let root = self.package.modules[parent].root;
            for name in &names.exported_macros {
                let root = &mut self.package.modules[root].names;
                root.bind(name.clone(), Binding::Item(number));
            }
        }
        self.package.modules.push(Module { file, parent, root, items, names });
        for item in modules {
            let Item::Mod(item) = item else { continue };
            let name = tokens::name(&item.ident);
            if let Some(child) = self.child(number, path, item, children)? {
                self.package.modules[number].names.bind(name, Binding::Module(child));
            }
        }
        Ok(number)
    }

    /// Reads a child module, unless it is a test or not part of the package.
    fn child(
        &mut self,
        parent: usize,
        path: &Path,
        item: ItemMod,
        children: &Path,
    ) -> Result<Option<usize>> {
        let name = tokens::name(&item.ident);
        let given = given_path(&item);
        if let Some((_, items)) = item.content {
            let file = self.package.modules[parent].file;
            let child = self.module(file, path, items, Some(parent), &children.join(name))?;
            return Ok(Some(child));
        }
        let (path, children) = match given {
            Some(given) => {
                let path = path.with_file_name(given);
                let children = path.parent().unwrap_or(&path).to_owned();
                (path, children)
            }
            None => {
                let folder = children.join(&name);
                let beside = children.join(format!("{name}.rs"));
                (if beside.is_file() { beside } else { folder.join("mod.rs") }, folder)
            }
        };
        let package = self.workspace.join(&self.package.name);
        let inner = path.strip_prefix(&package).map(|path| path.to_string_lossy().into_owned());
        if inner.is_ok_and(|inner| !inner.contains("..") && !is_test_file(&inner)) {
            Ok(Some(self.file(&path, Some(parent), &children)?))
        } else {
            Ok(None)
        }
    }
}

/// The value of a module's `path` attribute.
fn given_path(item: &ItemMod) -> Option<String> {
    item.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(value) if value.path.is_ident("path") => match &value.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}
