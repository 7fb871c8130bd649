use alloc::format;
use alloc::string::String;

use signal_access::{
    CarriersError, DefaultTopicsError, JwksUrlError, KeyError, OriginError, ProxyError,
};
use signal_core::LimitError;

/// A setting that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A number that cannot be read.
    #[error("{name} is {text:?}, which is {problem}")]
    Number {
        /// The setting.
        name: &'static str,
        /// Its value.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A limit out of its range.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A setting that keeps someone out is there and says nothing.
    #[error("{name} is empty; write {wanted}, or leave it out to {without}")]
    Guard {
        /// The setting.
        name: &'static str,
        /// What it could be instead.
        wanted: &'static str,
        /// What the relay does without it.
        without: &'static str,
    },
    /// There is no setting of this name.
    #[error("there is no setting {name:?}{}", .meant.map(|meant| format!("; is it {meant}?")).unwrap_or_default())]
    Unknown {
        /// The name.
        name: String,
        /// The setting that may be meant.
        meant: Option<&'static str>,
    },
    /// What is listed is not an origin.
    #[error("origins cannot be used: {0}")]
    Origins(#[from] OriginError),
    /// What is listed is not a proxy.
    #[error("trusted_proxies cannot be used: {0}")]
    Proxies(#[from] ProxyError),
    /// The keys of tokens are not keys. They are not shown.
    #[error("token_keys cannot be used: {0}")]
    TokenKeys(#[from] KeyError),
    /// There are no keys of tokens to be had from such an address. It is not shown: there may be a
    /// key to somebody's API in its query.
    #[error("token_jwks_url cannot be used: {0}")]
    JwksUrl(#[from] JwksUrlError),
    /// Keys are written down, and to be fetched too.
    #[error("token_keys and token_jwks_url are both given; one of them says where keys are")]
    TwoSources,
    /// There is no such place for tokens.
    #[error("token_in cannot be used: {0}")]
    TokenIn(#[from] CarriersError),
    /// Two things say who may come in.
    #[error(
        "tokens (token_keys, token_jwks_url) and authorize are both given; one of them says who may come in"
    )]
    TokensAndAuthorizer,
    /// The topics of tokens that name none are not topics.
    #[error("token_topics_default cannot be used: {0}")]
    TopicsDefault(#[from] DefaultTopicsError),
    /// Something is said of tokens, and there is no key to verify them.
    #[error("{0} is set, but neither token_keys nor token_jwks_url is")]
    WithoutKeys(&'static str),
}
