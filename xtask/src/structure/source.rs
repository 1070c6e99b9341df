//! Parses a source file and removes test code from the syntax tree.

use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, ImplItem, Item, Meta, Stmt, Token, TraitItem};

/// Conditions that are true only in test builds.
const TEST_BUILDS: [&str; 3] = ["test", "doctest", "fuzzing"];

/// Parses a source text. The result contains no test code.
pub fn parse(text: &str) -> syn::Result<syn::File> {
    let mut file = syn::parse_file(text)?;
    if is_test(&file.attrs) {
        file.items.clear();
    }
    StripTests.visit_file_mut(&mut file);
    Ok(file)
}

/// Whether a file contains only tests, according to its path within the package.
pub fn is_test_file(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    parts.next() == Some("tests.rs") || parts.any(|folder| folder == "tests")
}

/// Whether the attributes restrict an item to test builds.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            list.parse_args::<Meta>().is_ok_and(|condition| implies_test(&condition))
        }
        _ => false,
    })
}

/// Whether a `cfg` condition is true only in test builds.
fn implies_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => TEST_BUILDS.iter().any(|build| path.is_ident(build)),
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            parts.is_ok_and(|parts| {
                (list.path.is_ident("all") && parts.iter().any(implies_test))
                    || (list.path.is_ident("any") && parts.iter().all(implies_test))
            })
        }
        Meta::NameValue(_) => false,
    }
}

/// Removes everything that is marked as test code.
struct StripTests;

impl VisitMut for StripTests {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        file.items.retain(|item| !is_test(item_attributes(item)));
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut module.content {
            items.retain(|item| !is_test(item_attributes(item)));
        }
        visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        item.items.retain(|item| {
            !is_test(match item {
                ImplItem::Const(item) => &item.attrs,
                ImplItem::Fn(item) => &item.attrs,
                ImplItem::Type(item) => &item.attrs,
                ImplItem::Macro(item) => &item.attrs,
                _ => &[],
            })
        });
        visit_mut::visit_item_impl_mut(self, item);
    }

    fn visit_item_trait_mut(&mut self, item: &mut syn::ItemTrait) {
        item.items.retain(|item| {
            !is_test(match item {
                TraitItem::Const(item) => &item.attrs,
                TraitItem::Fn(item) => &item.attrs,
                TraitItem::Type(item) => &item.attrs,
                TraitItem::Macro(item) => &item.attrs,
                _ => &[],
            })
        });
        visit_mut::visit_item_trait_mut(self, item);
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        block.stmts.retain(|statement| !is_test(statement_attributes(statement)));
        visit_mut::visit_block_mut(self, block);
    }

    fn visit_fields_named_mut(&mut self, fields: &mut syn::FieldsNamed) {
        retain(&mut fields.named, |field| &field.attrs);
        visit_mut::visit_fields_named_mut(self, fields);
    }

    fn visit_item_enum_mut(&mut self, item: &mut syn::ItemEnum) {
        retain(&mut item.variants, |variant| &variant.attrs);
        visit_mut::visit_item_enum_mut(self, item);
    }

    fn visit_expr_struct_mut(&mut self, item: &mut syn::ExprStruct) {
        retain(&mut item.fields, |field| &field.attrs);
        visit_mut::visit_expr_struct_mut(self, item);
    }

    fn visit_expr_match_mut(&mut self, item: &mut syn::ExprMatch) {
        item.arms.retain(|arm| !is_test(&arm.attrs));
        visit_mut::visit_expr_match_mut(self, item);
    }
}

/// Removes the elements of a list that are marked as test code.
fn retain<T>(list: &mut Punctuated<T, Token![,]>, attributes: impl Fn(&T) -> &[Attribute]) {
    if list.iter().any(|element| is_test(attributes(element))) {
        let kept = std::mem::take(list).into_pairs();
        *list = kept.filter(|pair| !is_test(attributes(pair.value()))).collect();
    }
}

/// The attributes of an item.
pub fn item_attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The attributes of a statement, for the kinds of expression that have a `cfg` in practice.
fn statement_attributes(statement: &Stmt) -> &[Attribute] {
    match statement {
        Stmt::Local(local) => &local.attrs,
        Stmt::Item(item) => item_attributes(item),
        Stmt::Macro(item) => &item.attrs,
        Stmt::Expr(Expr::Assign(expr), _) => &expr.attrs,
        Stmt::Expr(Expr::Block(expr), _) => &expr.attrs,
        Stmt::Expr(Expr::Call(expr), _) => &expr.attrs,
        Stmt::Expr(Expr::If(expr), _) => &expr.attrs,
        Stmt::Expr(Expr::Macro(expr), _) => &expr.attrs,
        Stmt::Expr(Expr::MethodCall(expr), _) => &expr.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    #[test]
    fn test_code_is_removed_at_every_level() -> syn::Result<()> {
        let file = parse(
            "#[cfg(test)] mod tests { fn gone() {} }
             #[cfg(all(test, unix))] use gone::Gone;
             #[test] fn gone() {}
             #[cfg(any(test, fuzzing))] mod gone;
             #[cfg(not(test))] fn kept_1() {}
             #[cfg(any(test, unix))] struct Kept2 { #[cfg(test)] gone: u8, kept_3: u8 }
             enum E { #[cfg(test)] Gone, Kept4 }
             impl E { #[cfg(test)] fn gone() {} fn kept_5() { #[cfg(test)] gone(); kept_6() } }
             trait T { #[cfg(test)] fn gone(); fn kept_7(); }
             mod inline { #[cfg(test)] fn gone() {} fn kept_8() {} }
             fn f() { match x { #[cfg(test)] gone => {} kept_9 => K { #[cfg(test)] gone: 1 } } }",
        )?;
        let text = file.to_token_stream().to_string();
        assert!(!text.to_lowercase().contains("gone"), "{text}");
        for kept in 1..=9 {
            assert!(
                text.contains(&format!("kept_{kept}")) || text.contains(&format!("Kept{kept}"))
            );
        }
        Ok(())
    }

    #[test]
    fn test_files_are_recognised_by_their_path() {
        assert!(is_test_file("src/a/tests.rs") && is_test_file("src/tests/a.rs"));
        assert!(!is_test_file("src/testing.rs") && !is_test_file("src/contests.rs"));
    }
}
