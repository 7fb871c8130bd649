use alloc::string::ToString as _;

use super::*;

const KEY: &str =
    r#"{"kty":"oct","alg":"HS256","k":"dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFuZCBkb2NzIG9ubHk"}"#;

fn error(pairs: &[(&str, &str)]) -> String {
    Settings::read(pairs.iter().copied())
        .unwrap_err()
        .to_string()
}

#[test]
fn settings_are_read_in_the_forms_of_signal_serve() {
    let settings = Settings::read([
        ("peers_max", "10_000"),
        ("message_bytes_max", "2KiB"),
        ("close_hold", "0.5"),
        ("limit_private_ips", "on"),
        ("drain_seconds", "1m"),
        ("origins", "https://app.example, https://*.example.org"),
        ("trusted_proxies", "10.0.0.0/8"),
        ("token_keys", KEY),
        ("token_audience", "me"),
        ("token_in", "query, protocol"),
    ])
    .unwrap();
    assert_eq!(settings.core.message_bytes_max, 2_048);
    assert_eq!(settings.core.close_hold, Duration::from_millis(500));
    assert!(settings.addresses.limit_private_ips);
    assert_eq!(settings.drain_seconds, 60);
    assert_eq!(
        settings.access.to_string(),
        r#"tokens of 1 key, audience "me", in query,protocol only; origins https://app.example, https://*.example.org"#
    );
}

#[test]
fn a_setting_that_cannot_be_used_is_named_with_what_is_wrong() {
    for (pair, expected) in [
        (
            ("peers_max", "many"),
            r#"peers_max is "many", which is not a whole number"#,
        ),
        (
            ("depth_max", "300"),
            r#"depth_max is "300", which is out of its range, from 1 to 128"#,
        ),
        (
            ("peer_max", "3"),
            r#"there is no setting "peer_max"; is it peers_max?"#,
        ),
        (("colour", "red"), r#"there is no setting "colour""#),
        (
            ("origins", " , "),
            "origins is empty; write origins such as https://app.example, or leave it out to let the pages of every site connect",
        ),
        (
            ("message_bytes_max", "2MiB"),
            "outbound_bytes_max is 1MiB, but must be from 2049KiB to 2GiB because of message_bytes_max",
        ),
        (
            ("token_in", "cookie"),
            "token_in cannot be used: not a place for tokens; write any, or query, header and protocol with commas between them",
        ),
        (
            ("token_audience", "me"),
            "token_audience is set, but neither token_keys nor token_jwks_url is",
        ),
    ] {
        assert_eq!(error(&[pair]), expected);
    }
}

#[test]
fn keys_that_cannot_be_used_let_nobody_in_and_are_not_shown() {
    for wrong in [
        "secret",
        "{}",
        r#"{"kty":"oct","alg":"HS256","k":"c2VjcmV0"}"#,
    ] {
        let error = error(&[("token_keys", wrong)]);
        assert!(error.starts_with("token_keys cannot be used: "), "{error}");
        assert!(!error.contains("secret") && !error.contains("c2Vj"));
    }
    assert!(error(&[("token_keys", " ")]).starts_with("token_keys is empty; "));
    for empty in ["", " ", "\u{200b}", " \u{feff}"] {
        let audience = error(&[("token_keys", KEY), ("token_audience", empty)]);
        assert!(audience.contains("is empty"), "{audience}");
    }
}

#[test]
fn every_setting_is_described_and_can_be_set_to_its_default() {
    let described: Vec<serde_json::Value> = serde_json::from_str(&Settings::describe()).unwrap();
    let limits = Limits::ALL.len() + AddressLimits::ALL.len() + Settings::LIMITS.len();
    assert_eq!(described.len(), TEXTS.len() + limits);
    for setting in &described[TEXTS.len()..] {
        let (name, default) = (setting["name"].as_str(), setting["default"].as_str());
        let pair = (name.unwrap(), default.unwrap());
        assert!(Settings::read([pair]).is_ok(), "{pair:?}");
    }
}
