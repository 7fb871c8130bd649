//! The blocks of a PEM file, with their lines, so that a mistake can be found.

use std::fmt;

/// What stands between `-----BEGIN X-----` and `-----END X-----`, both included.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Block<'a> {
    /// The `X`.
    pub(crate) label: &'a str,
    /// The line of the `BEGIN`.
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// Where a file stops to be PEM.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Broken {
    pub(crate) line: usize,
    what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// All blocks. What stands between them is a comment.
pub(crate) fn blocks(text: &str) -> Result<Vec<Block<'_>>, Broken> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, usize, usize)> = None;
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let end = offset + line.len();
        if let Some(label) = label(line, "-----BEGIN ") {
            if let Some((label, begun, _)) = open {
                return Err(unfinished(label, begun));
            }
            open = Some((label, number, offset));
        } else if let Some(ended) = label(line, "-----END ") {
            match open.take() {
                Some((label, line, start)) if label == ended => blocks.push(Block {
                    label,
                    line,
                    text: &text[start..end],
                }),
                Some((label, line, _)) => return Err(unfinished(label, line)),
                None => {
                    let what = format!("END {ended} without its BEGIN");
                    return Err(Broken { line: number, what });
                }
            }
        }
        offset = end;
    }
    match open {
        Some((label, line, _)) => Err(unfinished(label, line)),
        None => Ok(blocks),
    }
}

fn label<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.trim_end().strip_prefix(begin)?.strip_suffix("-----")
}

fn unfinished(label: &str, line: usize) -> Broken {
    let what = format!("BEGIN {label} without its END");
    Broken { line, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_their_lines() {
        let text = "a comment\n-----BEGIN A-----\nAAAA\n-----END A-----\n\n-----BEGIN B C-----\r\nBB==\r\n-----END B C-----";
        let found = blocks(text).expect("whole blocks");
        let found: Vec<_> = found
            .iter()
            .map(|block| (block.label, block.line))
            .collect();
        assert_eq!(found, [("A", 2), ("B C", 6)]);
        assert_eq!(
            blocks(text).expect("whole blocks")[0].text,
            "-----BEGIN A-----\nAAAA\n-----END A-----\n"
        );
        assert_eq!(blocks("nothing"), Ok(vec![]));
    }

    #[test]
    fn a_block_that_is_cut_is_named_by_its_line() {
        for (text, told) in [
            (
                "-----BEGIN A-----\nAAAA\n",
                "line 1: BEGIN A without its END",
            ),
            (
                "\n-----BEGIN A-----\n-----BEGIN A-----\n-----END A-----\n",
                "line 2: BEGIN A without its END",
            ),
            (
                "-----BEGIN A-----\n-----END B-----\n",
                "line 1: BEGIN A without its END",
            ),
            ("AAAA\n-----END A-----\n", "line 2: END A without its BEGIN"),
        ] {
            assert_eq!(blocks(text).expect_err("broken").to_string(), told);
        }
    }
}
