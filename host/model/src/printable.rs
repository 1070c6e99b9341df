//! Makes untrusted text safe for a terminal and a log.

/// Escapes characters that could disturb a terminal or a log or change the order of text, and then truncates the text to `max`
/// bytes.
pub fn printable(text: &str, max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        let before = shown.len();
        if hides(c) {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
        if shown.len() > max {
            shown.truncate(before);
            shown.push('…');
            break;
        }
    }
    shown
}

/// Whether a character is a control character or an unusual line break, or changes how neighbouring characters are shown.
pub fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
