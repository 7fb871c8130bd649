use alloc::borrow::Cow;
use alloc::string::String;

use crate::percent::decode_fully;

/// What stands in place of a token that was cut.
const CUT: &str = "***";

/// Cuts the value of every `token` parameter out of a URI, so that it can be logged or shown.
///
/// It cuts rather too much than too little: whatever the case of the name, however often it is
/// percent-encoded, and wherever in the URI it stands.
///
/// ```
/// use signal_access::redact;
///
/// assert_eq!(redact("/room?token=eyJhbGciOi&v=1"), "/room?token=***&v=1");
/// assert_eq!(redact("/?%54oken=eyJhbGciOi"), "/?%54oken=***");
/// assert_eq!(redact("/room?v=1"), "/room?v=1");
/// ```
pub fn redact(uri: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    // What has been copied to `shown`, and where the current name begins.
    let (mut copied, mut name) = (0, 0);
    for (at, byte) in uri.bytes().enumerate() {
        if !b"?&;#=".contains(&byte) || at < copied {
            continue;
        }
        let value = at + 1;
        if byte == b'=' && uri.get(name..at).is_some_and(names_a_token) {
            shown.push_str(uri.get(copied..value).unwrap_or_default());
            shown.push_str(CUT);
            let rest = uri.get(value..).unwrap_or_default();
            copied = value + rest.find(['&', '#']).unwrap_or(rest.len());
        }
        name = value;
    }
    if copied == 0 {
        return Cow::Borrowed(uri);
    }
    shown.push_str(uri.get(copied..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Whether this, before a sign of equality, is the name `token`, perhaps behind a separator that
/// was encoded too.
fn names_a_token(text: &str) -> bool {
    let decoded = decode_fully(text);
    let name = decoded.rsplit(['?', '&', ';', '#', '=', '/']).next();
    name.is_some_and(|name| name.trim().eq_ignore_ascii_case("token"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_a_token_stays_as_it_is() {
        for uri in [
            "",
            "/",
            "/token",
            "/?token",
            "/?tokens=1&mytoken=2",
            "wss://h:1/p?a=b#c",
            "/?%",
        ] {
            assert!(matches!(redact(uri), Cow::Borrowed(same) if same == uri));
        }
    }

    #[test]
    fn every_way_to_write_the_name_is_cut() {
        for (uri, shown) in [
            ("/?token=S", "/?token=***"),
            ("/?TOKEN=S&a=1", "/?TOKEN=***&a=1"),
            ("/?a=1&t%6Fken=S#f", "/?a=1&t%6Fken=***#f"),
            ("/?%2574oken=S", "/?%2574oken=***"),
            ("/?token=S&token=S2", "/?token=***&token=***"),
            ("/?a=1;token=S;b", "/?a=1;token=***"),
            ("/?token=S=S", "/?token=***"),
            ("/#token=S", "/#token=***"),
            ("/?a?token=S", "/?a?token=***"),
            ("/%3Ftoken=S", "/%3Ftoken=***"),
            ("/?a=1%26token=S", "/?a=1%26token=***"),
            ("/?+token=S", "/?+token=S"),
            ("/?%20token=S", "/?%20token=***"),
            ("/?token=", "/?token=***"),
        ] {
            assert_eq!(redact(uri), shown);
        }
    }

    /// The name with each letter in either case, plain or percent-encoded up to twice.
    fn name() -> impl Strategy<Value = String> {
        let letter = |letter: char| {
            (any::<bool>(), 0..3u8).prop_map(move |(upper, encoded)| {
                let letter = if upper {
                    letter.to_ascii_uppercase()
                } else {
                    letter
                };
                match encoded {
                    0 => alloc::format!("{letter}"),
                    1 => alloc::format!("%{:02x}", u32::from(letter)),
                    _ => alloc::format!("%25{:02X}", u32::from(letter)),
                }
            })
        };
        "token"
            .chars()
            .map(letter)
            .collect::<alloc::vec::Vec<_>>()
            .prop_map(|all| all.concat())
    }

    proptest! {
        #[test]
        fn a_secret_never_shows(
            before in "[a-z/?&;#=%0-9]{0,20}",
            separator in "[?&;#]",
            name in name(),
            after in "([&#][a-z?&;#=%0-9]{0,20})?",
        ) {
            let uri = alloc::format!("{before}{separator}{name}=SECRET.SECRET-_{after}");
            prop_assert!(!redact(&uri).contains("SECRET"), "{}", redact(&uri));
        }

        #[test]
        fn any_text_is_survived_and_a_second_time_changes_nothing(text in any::<String>()) {
            let once = redact(&text).into_owned();
            prop_assert_eq!(redact(&once), once.as_str());
        }
    }
}
