//! The name of a header as a setting: a text.

use http::HeaderName;
use serde::{Deserialize, Deserializer, Serializer, de};

pub(super) fn serialize<S: Serializer>(name: &HeaderName, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(name.as_str())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<HeaderName, D::Error> {
    let name = String::deserialize(from)?;
    name.parse()
        .map_err(|_| de::Error::custom(format!("`{name}` is not the name of a header")))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_header_is_named_by_a_text() {
        let text = r#"{"forwarded_header":"CF-Connecting-IP"}"#;
        let config: Config = serde_json::from_str(text).expect("settings");
        assert_eq!(config.forwarded_header, "cf-connecting-ip");
        let written = serde_json::to_value(&config).expect("JSON");
        assert_eq!(written["forwarded_header"], "cf-connecting-ip");
        let wrong = serde_json::from_str::<Config>(r#"{"forwarded_header":"X Real IP"}"#);
        let error = wrong.expect_err("a name has no spaces").to_string();
        assert!(error.contains("`X Real IP` is not the name"), "{error}");
    }
}
