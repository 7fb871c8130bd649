use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let variables = variables.iter();
    let variables: Vec<_> = variables
        .map(|(name, text)| (*name, (*text).into()))
        .collect();
    read_all(&variables)
}

fn read_all(variables: &[(&str, Variable)]) -> Result<Settings, SettingsError> {
    Settings::from_variables(|name| {
        let found = variables.iter().find(|(key, _)| *key == name)?;
        Some(found.1.clone())
    })
}

#[test]
fn without_variables_all_is_as_by_default() {
    assert_eq!(read(&[]), Ok(Settings::default()));
    let core = Settings::default().core;
    assert_eq!(core.ping_interval, Duration::ZERO);
    assert_eq!(core.keepalive_interval, Duration::ZERO);
}

#[test]
fn each_setting_has_a_variable() {
    let settings = read(&[
        ("SIGNAL_TOPICS_PER_PEER_MAX", "16"),
        ("SIGNAL_CLOSE_HOLD", "0.5"),
        ("SIGNAL_ROOMS", "hashed:8"),
        ("SIGNAL_ORIGINS", "https://a.example, https://*.b.example,"),
        ("SIGNAL_LIMIT_PRIVATE_IPS", "true"),
    ])
    .unwrap();
    assert_eq!(settings.core.topics_per_peer_max, 16);
    assert_eq!(settings.core.close_hold, Duration::from_millis(500));
    assert_eq!(settings.rooms, Rooms::Hashed(8));
    assert!(settings.origins.allow(Some("https://b.b.example"), None));
    assert!(!settings.origins.allow(Some("https://c.example"), None));
    assert!(settings.addresses.limit_private_ips);
}

#[test]
fn a_variable_that_would_leave_the_door_open_is_not_passed_over() {
    let error = read(&[("SIGNAL_TOKEN_KEYS", "{}")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "SIGNAL_TOKEN_KEYS is not read; write TOKEN_KEYS"
    );
    let error = read(&[("SIGNAL_ORIGINS", "app.example")]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("SIGNAL_ORIGINS cannot be used: `app.example`")
    );
}

#[test]
fn what_keeps_pages_out_and_cannot_be_read_lets_nobody_in() {
    let texts =
        |list: &[&str]| Variable::List(list.iter().map(|text| (*text).to_owned()).collect());
    let list = read_all(&[(
        ORIGINS,
        texts(&["https://a.example", "https://*.b.example"]),
    )]);
    let origins = list.unwrap().origins;
    assert!(origins.allow(Some("https://b.b.example"), None));
    assert!(!origins.allow(Some("https://c.example"), None));
    for (unusable, found) in [
        (
            "".into(),
            "SIGNAL_ORIGINS is empty; write origins such as https://app.example",
        ),
        (" , ".into(), "SIGNAL_ORIGINS is empty; "),
        (texts(&[]), "SIGNAL_ORIGINS is empty; "),
        (texts(&[""]), "SIGNAL_ORIGINS is empty; "),
        (
            texts(&["app.example"]),
            "SIGNAL_ORIGINS cannot be used: `app.example`",
        ),
        (
            Variable::Object("{}".to_owned()),
            "SIGNAL_ORIGINS is an object; ",
        ),
        (Variable::Other("null"), "SIGNAL_ORIGINS is null; "),
        ("false".into(), "SIGNAL_ORIGINS cannot be used: `false`"),
    ] {
        let error = read_all(&[(ORIGINS, unusable)]).unwrap_err().to_string();
        assert!(error.starts_with(found), "{error}");
    }
}

#[test]
fn every_limit_has_a_variable() {
    for name in limits() {
        let variable = variable_name(name);
        assert!(is_known(&variable), "{variable}");
        let wrong = [(variable.as_str(), Variable::Other("null"))];
        let error = read_all(&wrong).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{variable} is null, but must be ")),
            "{error}"
        );
    }
    assert!(!is_known("SIGNAL_PEER_MAX"));
}

#[test]
fn times_are_seconds_with_or_without_a_fraction() {
    let hold = |text| read(&[("SIGNAL_CLOSE_HOLD", text)]).map(|settings| settings.core.close_hold);
    for (text, millis) in [
        ("0", 0),
        ("2", 2_000),
        ("0.5", 500),
        (" 1.25 ", 1_250),
        ("1.0009", 1_000),
    ] {
        assert_eq!(hold(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for wrong in [
        "",
        ".",
        "5.",
        ".5",
        "-1",
        "+1",
        "1e3",
        "1.-5",
        "1.2.3",
        "inf",
        "2s",
        "99999999999999999999",
    ] {
        assert!(hold(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_variable() {
    let message = |variables: &[(&str, &str)]| read(variables).unwrap_err().to_string();
    assert_eq!(
        message(&[("SIGNAL_ROOMS", "each")]),
        r#"SIGNAL_ROOMS is "each", but must be global, by-name or hashed:N"#
    );
    assert_eq!(
        message(&[("SIGNAL_ROOMS", "hashed:0")]),
        r#"SIGNAL_ROOMS is "hashed:0", but must be global, by-name or hashed:N"#
    );
    assert_eq!(
        message(&[("SIGNAL_DEPTH_MAX", "300")]),
        r#"SIGNAL_DEPTH_MAX is "300", but must be a whole number from 1 to 128"#
    );
    assert_eq!(
        message(&[("SIGNAL_PEERS_MAX", "40000")]),
        r#"SIGNAL_PEERS_MAX is "40000", but must be a whole number from 1 to 32768"#
    );
    assert_eq!(
        message(&[("SIGNAL_CLOSE_HOLD", "90")]),
        r#"SIGNAL_CLOSE_HOLD is "90", but must be a number of seconds from 0 to 60s"#
    );
    assert_eq!(
        message(&[("SIGNAL_MESSAGE_BYTES_MAX", "2000000")]),
        "SIGNAL_OUTBOUND_BYTES_MAX is 1048576, but must be at least SIGNAL_MESSAGE_BYTES_MAX, which is 2000000"
    );
}
