/// A text without what cannot be seen at its ends: white space, and characters without a width,
/// which come along when a page is copied. What guards and is nothing else is empty.
///
/// ```
/// assert_eq!(signal_access::trim_unseen("\u{feff}relay.example.org\u{200b}\n"), "relay.example.org");
/// ```
pub fn trim_unseen(text: &str) -> &str {
    let is_unseen = |c: char| {
        let has_no_width = matches!(
            c,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
        );
        c.is_whitespace() || has_no_width
    };
    text.trim_matches(is_unseen)
}
