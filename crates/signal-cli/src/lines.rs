//! Lines that fit the terminal.
//!
//! A terminal breaks a line that is too long in the middle of a word, and goes on at its edge. What
//! goes anywhere else stays as it is: a line is a record there, for `grep` and for scripts.

use std::borrow::Cow;
use std::io::{self, Write};

use anstream::adapter::strip_str;
use terminal_size::{Width, terminal_size_of};
use textwrap::core::{Word, display_width};
use textwrap::{Options, WordSeparator, WordSplitter};

/// Narrower terminals get lines of this width: a column of one word a line is not read.
const WIDTH_MIN: usize = 40;

/// A text for standard output.
pub(crate) fn for_stdout(text: &str) -> Cow<'_, str> {
    fit(text, terminal_size_of(io::stdout()).map(|(width, _)| width))
}

/// A text for standard error.
pub(crate) fn for_stderr(text: &str) -> Cow<'_, str> {
    fit(text, terminal_size_of(io::stderr()).map(|(width, _)| width))
}

/// Writes a text to standard error.
pub(crate) fn tell(text: &str) {
    let mut out = anstream::stderr().lock();
    // Nobody is left to be told if this fails.
    let _ = out.write_all(for_stderr(text).as_bytes());
}

fn fit(text: &str, width: Option<Width>) -> Cow<'_, str> {
    match width {
        // Some terminals, those of CI systems among them, do not know how wide they are.
        Some(Width(width)) if width > 0 => Cow::Owned(fold(text, usize::from(width))),
        _ => Cow::Borrowed(text),
    }
}

/// Breaks each line that is too long at a blank. It goes on below its last column.
///
/// A word that is longer than a line is left whole: half an address is none. JSON without blanks
/// goes on after a comma.
fn fold(text: &str, width: usize) -> String {
    let width = width.max(WIDTH_MIN);
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        if display_width(line) <= width {
            out.push_str(line);
        } else {
            let indent = " ".repeat(column(line, width * 2 / 3));
            let options = Options::new(width)
                .break_words(false)
                .word_separator(WordSeparator::Custom(words))
                .word_splitter(WordSplitter::NoHyphenation)
                .subsequent_indent(&indent);
            let folded = textwrap::fill(line, options);
            // An indented word that is longer than a line is not to have an empty line before it.
            out.push_str(folded.strip_prefix('\n').unwrap_or(&folded));
        }
        out.push_str(end);
    }
    out
}

/// Words are between blanks, and in JSON that has none after commas.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    Box::new(WordSeparator::AsciiSpace.find_words(line).flat_map(pieces))
}

fn pieces(word: Word<'_>) -> Vec<Word<'_>> {
    let is_json = word.contains(['{', '[']) && word.contains('"');
    if display_width(&word) <= PIECE_MAX || !is_json {
        return vec![word];
    }
    let pieces = word.word.split_inclusive(',').flat_map(chunks);
    let mut pieces: Vec<_> = pieces.map(Word::from).collect();
    if let Some(last) = pieces.last_mut() {
        last.whitespace = word.whitespace;
    }
    pieces
}

/// What of JSON is left whole: its long strings are of no words.
const PIECE_MAX: usize = 48;

fn chunks(mut piece: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    while let Some((at, _)) = piece.char_indices().nth(PIECE_MAX) {
        let (chunk, rest) = piece.split_at(at);
        chunks.push(chunk);
        piece = rest;
    }
    chunks.push(piece);
    chunks
}

/// Where the last column of a line begins: after two blanks or more, or where the line itself does.
/// A mark or a label that it begins with, such as `-` or `error:`, is a column of its own.
fn column(line: &str, max: usize) -> usize {
    let bytes = line.as_bytes();
    let begins = |at: usize| bytes[at] != b' ' && (at == 0 || bytes[at - 1] == b' ');
    let is_column = |at: usize| at < 2 || bytes[at - 2] == b' ';
    // A blank is never a part of a character or of a style.
    let columns = (0..bytes.len()).filter(|at| begins(*at) && is_column(*at));
    let column = columns.take_while(|at| display_width(&line[..*at]) <= max);
    let column = column.last().unwrap_or(0);
    let word = line[column..].split(' ').next().unwrap_or_default();
    let word = strip_str(word).to_string();
    let is_mark = display_width(&word) == 1 && !word.chars().any(char::is_alphanumeric);
    let is_label = is_mark || word.ends_with(':');
    let start = display_width(&line[..column]);
    match start + display_width(&word) + 1 {
        text if is_label && text <= max => text,
        _ => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: &str = "   \u{1b}[32m✓\u{1b}[0m upgrade      0.4 ms  HTTP 101, and some more words";

    #[test]
    fn a_long_line_goes_on_below_its_last_column() {
        let folded = fold(&format!("short\n{STEP}\n"), 44);
        let lines: Vec<_> = folded.lines().collect();
        assert_eq!(
            lines,
            [
                "short",
                "   \u{1b}[32m✓\u{1b}[0m upgrade      0.4 ms  HTTP 101, and some",
                "                          more words"
            ]
        );
        assert!(folded.ends_with('\n'));
    }

    #[test]
    fn a_line_without_columns_goes_on_below_its_first_word_or_what_follows_a_label() {
        for (line, folded) in [
            (
                "   the certificate is for another name, and expired",
                "   the certificate is for another name,\n   and expired",
            ),
            (
                "   tls: the certificate is for another name, and expired",
                "   tls: the certificate is for another\n        name, and expired",
            ),
            (
                "\u{1b}[31merror:\u{1b}[0m the certificate is for another name",
                "\u{1b}[31merror:\u{1b}[0m the certificate is for another\n       name",
            ),
            (
                "   - not tried: tls, upgrade, subscribe, ping",
                "   - not tried: tls, upgrade, subscribe,\n     ping",
            ),
        ] {
            assert_eq!(fold(line, 40), folded);
        }
    }

    #[test]
    fn a_column_in_the_right_third_is_not_gone_on_below() {
        let line = "  a long beginning of many words and many more  the column";
        assert_eq!(
            fold(line, 48),
            "  a long beginning of many words and many more\n  the column"
        );
    }

    #[test]
    fn no_word_is_broken_though_it_is_longer_than_a_line() {
        let url = format!("wss://{}.example", "x".repeat(60));
        assert_eq!(
            fold(&format!("at {url} now"), 40),
            format!("at\n{url}\nnow")
        );
        assert_eq!(fold(&format!("  {url}"), 40), format!("  {url}"));
        assert_eq!(fold(&format!("  {url}"), 40), format!("  {url}"));
    }

    #[test]
    fn json_without_blanks_goes_on_after_a_comma() {
        let json = r#"{"type":"publish","topic":"conformance-bcf205d7-3","data":1,"clients":1}"#;
        assert_eq!(
            fold(&format!("    expected a: {json}, got nothing"), 60),
            concat!(
                "    expected a: {\"type\":\"publish\",\n",
                "    \"topic\":\"conformance-bcf205d7-3\",\"data\":1,\"clients\":1},\n",
                "    got nothing"
            )
        );
        let long = format!(r#"    got      {{"data":"{}"}}"#, "x".repeat(400));
        let folded = fold(&long, 80);
        assert!(
            folded.lines().all(|line| display_width(line) <= 80),
            "{folded}"
        );
        assert_eq!(folded.replace(['\n', ' '], ""), long.replace(' ', ""));
    }

    #[test]
    fn what_fits_and_what_is_not_for_a_terminal_is_left_alone() {
        assert_eq!(fold(STEP, 200), STEP);
        assert!(matches!(fit(STEP, None), Cow::Borrowed(_)));
        assert!(matches!(fit(STEP, Some(Width(0))), Cow::Borrowed(_)));
    }

    #[test]
    fn wide_characters_count_twice() {
        let line = "漢字 ".repeat(12);
        let folded = fold(line.trim_end(), 40);
        assert!(folded.lines().all(|line| display_width(line) <= 40));
        assert_eq!(folded.split_whitespace().count(), 12);
    }
}
