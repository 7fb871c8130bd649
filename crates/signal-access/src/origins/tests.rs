use alloc::string::{String, ToString as _};

use proptest::prelude::*;

use super::*;

fn allows(list: &str, origin: &str) -> bool {
    Origins::new([list])
        .expect("an origin")
        .allow(Some(origin), None)
}

#[test]
fn an_empty_list_allows_everybody() {
    let all = Origins::default();
    for origin in [None, Some("https://evil.example"), Some("null"), Some("")] {
        assert!(all.allow(origin, None));
    }
}

#[test]
fn equal_origins_are_equal_however_they_are_written() {
    for (list, origin) in [
        ("https://app.example", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("HTTPS://App.Example", "https://app.example:443"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[0:0:0:0:0:0:0:1]:8000"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("https://*.example.org", "https://a.b.example.org"),
        ("https://app.example", "https://app.example/"),
        ("https://app.example", "https://app.example/a/page?b#c"),
        ("https://app.example/", "https://app.example"),
        ("http://localhost:*", "http://localhost:8000"),
        ("http://localhost:*", "http://localhost"),
        ("http://[::1]:*", "http://[::1]:8000"),
        ("https://*.example.org:*", "https://a.example.org:8443"),
        ("*://app.example", "http://app.example"),
        ("*://app.example", "https://app.example:443"),
        ("*://app.example:443", "https://app.example"),
        ("*://localhost:*", "capacitor://localhost"),
        ("moz-extension://*", "moz-extension://6a0b-42"),
        ("https://*:8443", "https://any.example:8443"),
        ("file://", "file://"),
        ("file://", "file:///home/ann/page.html"),
        ("null", "null"),
    ] {
        assert!(allows(list, origin), "{list} {origin}");
    }
}

#[test]
fn origins_are_shown_as_they_can_be_written() {
    let written = [
        "https://app.example",
        "http://[::1]:8000",
        "https://*.example.org",
        "http://localhost:*",
        "*://*.example.org:8443",
        "moz-extension://*",
        "file://",
        "null",
    ];
    let origins = ["HTTPS://app.example:443/"].into_iter();
    let origins = Origins::new(origins.chain(written[1..].iter().copied()));
    let shown: Vec<String> = origins
        .expect("origins")
        .patterns()
        .map(|one| one.to_string())
        .collect();
    assert_eq!(shown, written);
}

#[test]
fn look_alikes_are_refused() {
    let app = "https://app.example";
    for (list, origin) in [
        (app, "http://app.example"),
        (app, "https://app.example:8443"),
        (app, "https://app.example.evil.example"),
        (app, "https://evil-app.example"),
        (app, "https://app.example/, https://evil.example"),
        (app, "https://app.example/ https://evil.example"),
        (app, "https://evil.example/https://app.example"),
        (app, "https://evil.example?https://app.example"),
        (app, "https://app.example\\@evil.example"),
        (app, "https://app.example@evil.example"),
        (app, "https://app.example:443:443"),
        (app, "https://app.example:+443"),
        (app, "https://app.example:"),
        (app, "https://app.example https://evil.example"),
        (app, "null"),
        (app, "NULL"),
        (app, ""),
        (app, "file://"),
        ("null", "https://app.example"),
        ("null", "file://"),
        ("file://", "null"),
        ("file://", "https://app.example"),
        ("http://localhost:*", "https://localhost"),
        ("http://localhost:*", "http://localhost.evil.example:80"),
        ("*://app.example", "https://app.example:8443"),
        ("*://app.example:443", "http://app.example"),
        ("moz-extension://*", "chrome-extension://abcdef"),
        ("https://*", "https://any.example:8443"),
        ("https://*.example.org", "https://example.org"),
        ("https://*.example.org", "https://.example.org"),
        ("https://*.example.org", "https://evilexample.org"),
        ("https://*.example.org", "http://a.example.org"),
        (
            "https://*.example.org",
            "https://*.example.org.evil.example",
        ),
    ] {
        assert!(!allows(list, origin), "{list} {origin}");
    }
}

#[test]
fn the_relays_own_address_is_not_a_page_elsewhere() {
    let app = Origins::new(["https://app.example"]).expect("an origin");
    for (origin, host) in [
        ("http://127.0.0.1:4444", "127.0.0.1:4444"),
        ("http://[::1]:4444", "[::1]:4444"),
        ("http://relay.example", "relay.example"),
        ("https://relay.example", "relay.example"),
        ("https://relay.example", "Relay.example:443"),
        ("http://relay.example:4444/", "relay.example:4444"),
    ] {
        assert!(app.allow(Some(origin), Some(host)), "{origin} {host}");
    }
    for (origin, host) in [
        ("http://127.0.0.1:8000", "127.0.0.1:4444"),
        ("http://localhost:4444", "127.0.0.1:4444"),
        ("https://evil.example", "relay.example"),
        ("https://relay.example.evil.example", "relay.example"),
        ("ftp://relay.example", "relay.example"),
        (
            "https://relay.example, https://evil.example",
            "relay.example",
        ),
        ("https://relay.example", "relay.example, evil.example"),
        ("https://relay.example", "evil@relay.example"),
        ("null", "null"),
        ("file://", ""),
        ("http://", ""),
    ] {
        assert!(!app.allow(Some(origin), Some(host)), "{origin} {host}");
    }
}

#[test]
fn what_is_not_an_origin_is_named() {
    for wrong in [
        "",
        "app.example",
        "https://",
        "https://app.example/page",
        "https://app.example//",
        "https://app.example?",
        "https://app.example#top",
        "https://*.example.org/page",
        "file:///home/ann",
        "https://app*.example",
        "https://**",
        "https://*app.example",
        "htt*://app.example",
        "http://localhost:8*",
        "https://a.*.example",
        "https://münchen.example",
        "https://a b",
        "://a",
        "https://a:99999",
        "Null",
        "https://*.",
        ";",
        "https://a https://b/page",
    ] {
        let error = OriginError(wrong.into(), Meant::Unknown);
        assert_eq!(Origins::new([wrong]), Err(error));
    }
}

#[test]
fn what_is_meant_by_some_of_them_is_said() {
    for (wrong, meant) in [
        ("*", Meant::All),
        ("'*'", Meant::All),
        ("all", Meant::All),
        ("https://a.example https://b.example", Meant::Several),
        ("https://a.example/ https://b.example", Meant::Several),
        ("https://a.example;https://b.example", Meant::Several),
        ("https://a.example ; null", Meant::Several),
        ("https://a.example\nhttps://b.example", Meant::Several),
        ("https://a.example|http://localhost:*", Meant::Several),
        ("\"https://a.example https://b.example\"", Meant::Several),
        ("https://a.example;", Meant::Several),
        ("\"https://a.example\"", Meant::Quoted),
        ("'https://*.example.org'", Meant::Quoted),
        ("[\"https://a.example\"", Meant::Quoted),
        ("<https://a.example>", Meant::Quoted),
    ] {
        let error = Origins::new([wrong]).expect_err(wrong);
        assert_eq!(error, OriginError(wrong.into(), meant), "{error}");
    }
}

proptest! {
    #[test]
    fn any_header_is_survived(text in any::<String>()) {
        allows("https://*.example.org", &text);
        let _ = Origins::default().allow(Some(&text), Some(&text));
        let _ = Origins::new([text.as_str()]);
    }
}
