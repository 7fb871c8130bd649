use core::fmt;

/// What of an upgrade request says who is there, as it was sent.
///
/// The values of a header that comes more than once are joined with `, `, as HTTP has it (RFC 9110
/// 5.3). Two origins are then no origin, and two tokens no token.
#[derive(Clone, Copy, Default)]
pub struct UpgradeParts<'a> {
    /// The query of the address, without the question mark.
    pub query: Option<&'a str>,
    /// The header `Host`: an origin that is the relay's own is not foreign.
    pub host: Option<&'a str>,
    /// The header `Origin`.
    pub origin: Option<&'a str>,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The header `Sec-WebSocket-Protocol`.
    pub protocols: Option<&'a str>,
}

/// Says which parts there are, not what is in those that may carry a token.
impl fmt::Debug for UpgradeParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeParts")
            .field("query", &self.query.map(|_| "…"))
            .field("host", &self.host)
            .field("origin", &self.origin)
            .field("authorization", &self.authorization.map(|_| "…"))
            .field("protocols", &self.protocols.map(|_| "…"))
            .finish()
    }
}
