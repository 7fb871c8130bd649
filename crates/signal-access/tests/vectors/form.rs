//! What is no token, and headers that are not followed.

use serde_json::json;

use crate::keys::{FAR, SECRET, everything, good, hs256};
use crate::row::Row;

const TOKEN_BYTES_MAX: usize = 12 * 1024;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = forms();
    rows.extend(headers());
    rows.extend(sizes());
    rows
}

fn refused(name: &str, token: &str, error: &str) -> Row {
    Row::new(name, "hs256").bearer(token).refused(error)
}

fn forms() -> Vec<Row> {
    let good = good();
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let malformed = |name: &str, token: &str| refused(name, token, "malformed");
    vec![
        malformed("a word", "open-sesame"),
        malformed("only dots", ".."),
        malformed("two parts", signed),
        malformed("four parts", &format!("{good}.{signature}")),
        malformed("a dot at the end", &format!("{good}.")),
        malformed("padded", &format!("{good}=")),
        malformed("the other alphabet", &good.replacen('e', "+", 1)),
        malformed("a space within the header", &good.replacen('.', " .", 1)),
        refused(
            "a space within the claims",
            &good.replacen('.', ". ", 1),
            "signature",
        ),
        malformed("in quotes", &format!("\"{good}\"")),
        malformed("last character not canonical", &not_canonical(&good)),
        refused(
            "with a second one behind a comma",
            &format!("{good},{good}"),
            "ambiguous",
        ),
        Row::new("a line break behind it", "hs256")
            .token(&format!("{good}%0A"))
            .refused("malformed"),
        Row::new("a space before it", "hs256")
            .token(&format!("%20{good}"))
            .refused("malformed"),
        Row::new("a zero byte behind it", "hs256")
            .token(&format!("{good}%00"))
            .refused("malformed"),
        Row::new("wrong percent-encoding", "hs256")
            .token(&format!("{good}%"))
            .refused("malformed"),
        Row::new("percent-encoded twice", "hs256")
            .token(&good.replace('.', "%252E"))
            .refused("malformed"),
        Row::new("as JSON", "hs256")
            .token(r#"%7B%22payload%22:%22e30%22%7D"#)
            .refused("malformed"),
    ]
}

/// The same signature with one of the bits set that the last character has too many. Lax decoders
/// take both.
fn not_canonical(token: &str) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let index = alphabet.find(last).expect("base64url");
    assert_eq!(index % 4, 0, "32 bytes leave two bits over");
    format!("{rest}{}", &alphabet[index + 1..index + 2])
}

fn headers() -> Vec<Row> {
    let with = |header: &str| hs256(header, &everything().to_string(), SECRET);
    let malformed = |name: &str, header: &str| refused(name, &with(header), "malformed");
    let upgraded = |name: &str, header: &str| {
        let mut row = Row::new(name, "hs256")
            .bearer(&with(header))
            .upgraded("authorization");
        row.expected.subject = Some("ann".to_owned());
        row
    };
    vec![
        malformed("header is not JSON", "alg=HS256"),
        malformed("header is an array", r#"["HS256"]"#),
        malformed("header without alg", r#"{"typ":"JWT"}"#),
        malformed("alg is not a string", r#"{"alg":["HS256"]}"#),
        malformed("alg twice", r#"{"alg":"none","alg":"HS256"}"#),
        malformed(
            "alg twice, once escaped",
            r#"{"alg":"HS256","\u0061lg":"HS256"}"#,
        ),
        malformed(
            "something else twice",
            r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#,
        ),
        malformed("crit", r#"{"alg":"HS256","crit":["exp"],"exp":1}"#),
        malformed("crit that is empty", r#"{"alg":"HS256","crit":[]}"#),
        malformed("crit that is null", r#"{"alg":"HS256","crit":null}"#),
        malformed("kid is not a string", r#"{"alg":"HS256","kid":1}"#),
        malformed("something behind the header", r#"{"alg":"HS256"}{}"#),
        upgraded(
            "typ is not looked at",
            r#"{"alg":"HS256","typ":"something"}"#,
        ),
        upgraded("white space in the header", "{ \"alg\" :\n\"HS256\" }"),
        upgraded("escaped alg", r#"{"\u0061lg":"\u0048S256"}"#),
        upgraded(
            "keys in the header are not used",
            r#"{"alg":"HS256","jku":"https://evil.example/keys","jwk":{"kty":"oct","k":"AA"}}"#,
        ),
    ]
}

fn sizes() -> Vec<Row> {
    let mut longest = Row::new("as long as allowed", "hs256")
        .bearer(&of_length(TOKEN_BYTES_MAX))
        .upgraded("authorization");
    longest.expected.may_subscribe = vec!["garden".to_owned()];
    longest.expected.may_publish = vec!["garden".to_owned()];
    vec![
        longest,
        refused(
            "one byte too long",
            &of_length(TOKEN_BYTES_MAX + 1),
            "too_long",
        ),
        refused(
            "much too long, and nothing else",
            &"x".repeat(14_000),
            "too_long",
        ),
    ]
}

/// A good token of this length.
fn of_length(length: usize) -> String {
    // Some lengths cannot be reached: four characters are three bytes. A longer header moves the
    // remainder.
    for header in ["", "x", "xx"] {
        let header = json!({ "alg": "HS256", "typ": header }).to_string();
        let token = |note: usize| {
            let claims = json!({ "exp": FAR, "topics": ["garden"], "note": "n".repeat(note) });
            hs256(&header, &claims.to_string(), SECRET)
        };
        let bare = token(0).len();
        let guess = (length - bare) * 3 / 4;
        let fits = (guess - 4..guess + 4)
            .map(token)
            .find(|token| token.len() == length);
        if let Some(token) = fits {
            return token;
        }
    }
    panic!("no token of {length} bytes")
}
