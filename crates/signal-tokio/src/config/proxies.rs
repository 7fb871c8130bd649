//! [`TrustedProxies`] as a setting: a list of texts.

use serde::{Deserialize, Deserializer, Serializer, de};
use signal_access::TrustedProxies;

pub(super) fn serialize<S: Serializer>(proxies: &TrustedProxies, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(proxies.networks().map(|network| network.to_string()))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TrustedProxies, D::Error> {
    let networks = Vec::<String>::deserialize(from)?;
    TrustedProxies::new(networks.iter().map(String::as_str)).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn proxies_are_a_list_of_texts() {
        let text = r#"{"trusted_proxies":["10.0.0.0/8","::1/128"]}"#;
        let config: Config = serde_json::from_str(text).expect("settings");
        assert!(config.trusted_proxies.contains([10, 1, 2, 3].into()));
        let written = serde_json::to_value(&config).expect("JSON");
        assert_eq!(
            written["trusted_proxies"],
            serde_json::json!(["10.0.0.0/8", "::1/128"])
        );
        let wrong = serde_json::from_str::<Config>(r#"{"trusted_proxies":["proxy.example"]}"#);
        let error = wrong.expect_err("a name is not an address").to_string();
        assert!(error.contains("`proxy.example` is neither"), "{error}");
    }
}
