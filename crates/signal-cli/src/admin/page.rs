use std::sync::LazyLock;

use base64ct::{Base64, Encoding};
use http::HeaderValue;
use sha2::{Digest, Sha256};

/// The page: one file that asks for nothing but `/status.json`.
pub(super) const HTML: &str = include_str!("status.html");

/// What the page may do: run its own script, use its own styles, and ask this address. The hashes
/// are those of the file, so nothing that gets into it by mistake would run.
pub(super) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let [script, style] = ["script", "style"].map(|tag| hash(inside(tag)));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // Of characters that a header may have.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// What stands in the one element of this name.
fn inside(tag: &str) -> &'static str {
    let (begin, end) = (format!("<{tag}>"), format!("</{tag}>"));
    let rest = HTML.split_once(&begin).map_or("", |(_, rest)| rest);
    rest.split_once(&end).map_or("", |(inside, _)| inside)
}

fn hash(text: &str) -> String {
    Base64::encode_string(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_file_that_asks_nobody_else() {
        for tag in ["script", "style"] {
            assert_eq!(HTML.matches(&format!("<{tag}")).count(), 1, "{tag}");
            assert!(inside(tag).len() > 500, "{tag}");
        }
        let outside = HTML.replace("http://www.w3.org/2000/svg", "");
        for word in [
            "http:",
            "https:",
            "//cdn",
            "@import",
            "url(",
            "style=",
            " src=",
            "innerHTML",
        ] {
            assert!(!outside.contains(word), "{word}");
        }
    }

    #[test]
    fn the_policy_names_the_script_by_its_hash() {
        let policy = POLICY.to_str().expect("text");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'sha256-"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        // `printf abc | openssl dgst -sha256 -binary | base64`
        assert_eq!(hash("abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }
}
