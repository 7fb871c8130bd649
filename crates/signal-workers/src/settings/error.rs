use signal_access::{JwksUrlError, KeyError, OriginError, TurnSecretError};

use crate::variable::UnreadableSecret;

/// A variable that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The value cannot be read, or is out of its range.
    #[error("{variable} is {value}, but must be {wanted}")]
    Unreadable {
        /// The variable.
        variable: String,
        /// Its value, or what it is.
        value: String,
        /// What it could be instead.
        wanted: String,
    },
    /// A variable that keeps people out is there and says nothing.
    #[error("{variable} is {found}; write {wanted}, or leave it out to {without}")]
    Guard {
        /// The variable.
        variable: &'static str,
        /// What it is.
        found: &'static str,
        /// What it could be instead.
        wanted: &'static str,
        /// What the relay does without it.
        without: &'static str,
    },
    /// A secret of the Secrets Store cannot be read.
    #[error("{variable} cannot be read from the Secrets Store: {error}")]
    Secret {
        /// The variable.
        variable: &'static str,
        /// Why, as the runtime puts it.
        error: String,
    },
    /// There is no variable of this name, but it looks as if it were for this relay.
    #[error("{0} is not a variable of this relay; correct its name, or take it out")]
    Unknown(String),
    /// What is listed is not an origin.
    #[error("SIGNAL_ORIGINS cannot be used: {0}")]
    Origins(#[from] OriginError),
    /// The secret with the keys of tokens cannot be read. It is not shown.
    #[error("TOKEN_KEYS cannot be used: {0}")]
    TokenKeys(#[from] KeyError),
    /// The address at which keys are published cannot be used. It is not shown.
    #[error("TOKEN_JWKS_URL cannot be used: {0}")]
    JwksUrl(#[from] JwksUrlError),
    /// The secret of TURN servers cannot be used. It is not shown.
    #[error("TURN_SECRET cannot be used: {0}")]
    TurnSecret(#[from] TurnSecretError),
    /// One variable needs another, which is not there.
    #[error("{0} is set, but {1} is not; write both or none")]
    Missing(&'static str, &'static str),
    /// This says what tokens must be like, and there is no key to verify them.
    #[error("{0} is set, but the secret TOKEN_KEYS is not set, nor is TOKEN_JWKS_URL")]
    WithoutKeys(&'static str),
    /// The keys of tokens come from one place.
    #[error("{0} and {1} are both set; the keys of tokens come from one place, so leave one out")]
    TwoSources(&'static str, &'static str),
    /// A variable that would leave the door open, because its name is another.
    #[error("{found} is not read; write {wanted}")]
    Misnamed {
        /// The variable that is there.
        found: String,
        /// The one that is read.
        wanted: &'static str,
    },
}

impl From<UnreadableSecret> for SettingsError {
    fn from(secret: UnreadableSecret) -> Self {
        let UnreadableSecret { variable, error } = secret;
        Self::Secret { variable, error }
    }
}
