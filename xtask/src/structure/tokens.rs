//! Finds paths in the tokens of macro calls and attributes.

use proc_macro2::{TokenStream, TokenTree};

/// A path in source code, without generic arguments.
pub type Path = Vec<String>;

/// The name of an identifier, without the prefix of raw identifiers.
pub fn name(identifier: &proc_macro2::Ident) -> String {
    let text = identifier.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}

/// Whether a name has the case of a variable or function, and not of a type or constant.
pub fn is_lower(name: &str) -> bool {
    name.starts_with(|first: char| !first.is_uppercase())
}

/// All paths in the tokens. Names of fields, methods, lifetimes and named arguments are left out.
pub fn paths(tokens: TokenStream, found: &mut Vec<Path>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => paths(group.stream(), found),
            TokenTree::Ident(_) => {
                let (path, end) = path(&tokens, at);
                if counts(&tokens, at, end, &path) {
                    found.push(path);
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
}

/// All identifiers in the tokens.
pub fn identifiers(tokens: TokenStream, found: &mut impl Extend<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(identifier) => found.extend([name(&identifier)]),
            TokenTree::Group(group) => identifiers(group.stream(), found),
            _ => {}
        }
    }
}

/// The path that begins here, and the position after it.
fn path(tokens: &[TokenTree], mut at: usize) -> (Path, usize) {
    let mut path = Path::new();
    while let Some(TokenTree::Ident(identifier)) = tokens.get(at) {
        path.push(name(identifier));
        at += 1;
        if !(is_punct(tokens, at, ':') && is_punct(tokens, at + 1, ':')) {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// Whether the tokens around the path allow it to name an item of this crate.
fn counts(tokens: &[TokenTree], start: usize, end: usize, path: &Path) -> bool {
    let before =
        |distance: usize, char| start >= distance && is_punct(tokens, start - distance, char);
    let is_member = before(1, '.') && !before(2, '.');
    let is_variable = before(1, '$') && path[0] != "crate";
    let continues = before(1, ':') && before(2, ':');
    let is_argument = path.len() == 1
        && is_lower(&path[0])
        && is_punct(tokens, end, '=')
        && !is_punct(tokens, end + 1, '=');
    !(is_member || is_variable || continues || is_argument || before(1, '\''))
}

fn is_punct(tokens: &[TokenTree], at: usize, char: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_and_members_are_not() -> Result<(), proc_macro2::LexError> {
        let text = "size = a.len(), (crate::b::C, 0..END), ::std::x, $crate::D, $e, &'f, g == h";
        let mut found = Vec::new();
        paths(text.parse()?, &mut found);
        let found: Vec<_> = found.iter().map(|path| path.join("::")).collect();
        assert_eq!(found, ["a", "crate::b::C", "END", "crate::D", "g", "h"]);
        Ok(())
    }
}
