//! Counts lines of code.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// The number of lines with a token. Comments, documentation and blank lines do not count.
pub fn count(text: &str, tokens: TokenStream) -> usize {
    let mut lines = BTreeSet::new();
    collect(tokens, &mut lines);
    let blank = |line: &usize| text.lines().nth(line - 1).is_none_or(|line| line.trim().is_empty());
    // Only literals have more than one line, so only those can contain blank ones.
    lines.iter().filter(|line| !blank(line)).count()
}

fn collect(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        let length = documentation(&tokens[at..]);
        if length > 0 {
            at += length;
            continue;
        }
        if let TokenTree::Group(group) = &tokens[at] {
            mark(group.span_open(), lines);
            collect(group.stream(), lines);
            mark(group.span_close(), lines);
        } else {
            mark(tokens[at].span(), lines);
        }
        at += 1;
    }
}

/// Marks the lines of a token. Tokens without an extent are not in the source text.
fn mark(span: Span, lines: &mut BTreeSet<usize>) {
    if span.start() != span.end() {
        lines.extend(span.start().line..=span.end().line);
    }
}

/// The number of tokens of the documentation attribute at the beginning, or 0 if there is none.
fn documentation(tokens: &[TokenTree]) -> usize {
    let is_punct = |at: usize, char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == char);
    if !is_punct(0, '#') {
        return 0;
    }
    let at = if is_punct(1, '!') { 2 } else { 1 };
    let Some(TokenTree::Group(group)) = tokens.get(at) else { return 0 };
    let inner: Vec<_> = group.stream().into_iter().collect();
    let is_text = matches!(
        &*inner,
        [TokenTree::Ident(name), TokenTree::Punct(_), TokenTree::Literal(_)] if name == "doc"
    );
    if group.delimiter() == Delimiter::Bracket && is_text { at + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::source;
    use quote::ToTokens;

    fn lines(text: &str) -> syn::Result<usize> {
        Ok(count(text, source::parse(text)?.into_token_stream()))
    }

    #[test]
    fn comments_blank_lines_and_tests_do_not_count() -> syn::Result<()> {
        let text = "//! Inner documentation.\n\n#![allow(dead_code)]\n/// Outer.\n/** Block. */\n\
            fn a() { // comment\n    /* block\n       comment */\n\n    b();\n}\n\n\
            #[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
        assert_eq!(lines(text)?, 4);
        Ok(())
    }

    #[test]
    fn a_literal_of_several_lines_counts_without_its_blank_lines() -> syn::Result<()> {
        assert_eq!(lines("const A: &str = \"one\n\n// two\n\";\n")?, 3);
        Ok(())
    }

    #[test]
    fn punctuation_that_the_printer_adds_does_not_count() -> syn::Result<()> {
        assert_eq!(lines("// comment\nfn f() {\n    match a {\n        b => c\n    }\n}\n")?, 5);
        Ok(())
    }
}
