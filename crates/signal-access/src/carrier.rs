use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// The longest token that is looked at. Entra ID (Azure AD) puts up to 200 groups into one, which
/// is some 11 KB, and Keycloak as many roles; a request head of 16 KiB has room for it.
pub const TOKEN_BYTES_MAX: usize = 12 * 1024;

/// Where in a request a token was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Carrier {
    /// `Authorization: Bearer TOKEN`.
    Authorization,
    /// `?token=TOKEN` in the address: the one that a stock y-webrtc client can use.
    Query,
    /// `Sec-WebSocket-Protocol: signal-token, TOKEN`.
    Protocol,
}

impl Carrier {
    /// All carriers.
    pub const ALL: [Self; 3] = [Self::Authorization, Self::Query, Self::Protocol];

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Query => "query",
            Self::Protocol => "protocol",
        }
    }
}

/// The places in which a relay looks for tokens; by default all. What stands in another place is
/// not looked at, so that it can be somebody else's: a proxy that proves who the user is may send
/// an `Authorization` of its own.
///
/// ```
/// use signal_access::{Carrier, Carriers};
///
/// let carriers: Carriers = "query, protocol".parse()?;
/// assert!(carriers.has(Carrier::Query) && !carriers.has(Carrier::Authorization));
/// assert_eq!(carriers.to_string(), "query,protocol");
/// assert_eq!(Carriers::default().to_string(), "any");
/// # Ok::<(), signal_access::CarriersError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Carriers([bool; Carrier::ALL.len()]);

impl Carriers {
    /// Whether this is one of the places.
    pub fn has(self, carrier: Carrier) -> bool {
        let mut all = Carrier::ALL.into_iter().zip(self.0);
        all.any(|(one, is_looked_at)| one == carrier && is_looked_at)
    }

    /// How to send a token, for the person who runs a client. Those ways that a browser has come
    /// first.
    pub(crate) fn ways(self) -> Ways {
        Ways(self)
    }
}

/// What to do to send a token to one of these places.
pub(crate) struct Ways(Carriers);

impl fmt::Display for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways = [
            (Carrier::Query, "add ?token=… to its address"),
            (
                Carrier::Protocol,
                "offer the subprotocols signal-token and the token",
            ),
            (Carrier::Authorization, "send Authorization: Bearer"),
        ];
        let open = || ways.iter().filter(|(carrier, _)| self.0.has(*carrier));
        let last = open().count().saturating_sub(1);
        for (position, (_, way)) in open().enumerate() {
            let before = match position {
                0 => "",
                _ if position == last => ", or ",
                _ => ", ",
            };
            write!(f, "{before}{way}")?;
        }
        Ok(())
    }
}

impl Default for Carriers {
    fn default() -> Self {
        Self([true; Carrier::ALL.len()])
    }
}

/// Reads `any`, or `query`, `header` and `protocol` with commas between them.
impl FromStr for Carriers {
    type Err = CarriersError;

    fn from_str(text: &str) -> Result<Self, CarriersError> {
        let mut carriers = Self([false; Carrier::ALL.len()]);
        for name in text.split(',').map(str::trim) {
            let is_named = |carrier: Carrier| match carrier {
                Carrier::Authorization => ["header", carrier.name()].contains(&name),
                Carrier::Query | Carrier::Protocol => carrier.name() == name,
            };
            let named = Carrier::ALL.map(|carrier| name == "any" || is_named(carrier));
            if named == [false; Carrier::ALL.len()] {
                return Err(CarriersError);
            }
            carriers = Self(core::array::from_fn(|at| {
                let is_set = |set: &[bool]| set.get(at).copied().unwrap_or_default();
                is_set(&carriers.0) || is_set(&named)
            }));
        }
        Ok(carriers)
    }
}

/// Writes what [`FromStr`] reads.
impl fmt::Display for Carriers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("any");
        }
        let places = Carrier::ALL.into_iter().filter(|one| self.has(*one));
        for (position, carrier) in places.enumerate() {
            let name = match carrier {
                Carrier::Authorization => "header",
                Carrier::Query | Carrier::Protocol => carrier.name(),
            };
            write!(f, "{}{name}", if position == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// A place that there is not.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error(
    "not a place for tokens; write any, or query, header and protocol with commas between them"
)]
pub struct CarriersError;
