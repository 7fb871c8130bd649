//! How much of an address is logged.

use serde::{Deserialize, Serialize};

/// How much of a client's address stands in logs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogIps {
    /// The network: an IPv4 /24 or an IPv6 /48. Enough to see where trouble comes from, and not
    /// whose it is.
    #[default]
    Short,
    /// The whole address.
    Full,
    /// Nothing.
    None,
}

impl LogIps {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::Short, Self::Full, Self::None];

    /// The name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Full => "full",
            Self::None => "none",
        }
    }
}
