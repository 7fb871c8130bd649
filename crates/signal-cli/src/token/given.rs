use std::convert::Infallible;
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use signal_access::{PROTOCOL_MARKER, TOKEN_BYTES_MAX};

use crate::text_file;

/// A token to show to a server.
#[derive(Args, Debug)]
pub(crate) struct TokenFlags {
    /// A token to show to the server; lists of processes show it, too
    #[arg(long)]
    token: Option<Token>,

    /// The file with the token, or - to read it from standard input
    #[arg(long, value_name = "FILE", value_parser = read, conflicts_with = "token")]
    token_file: Option<Token>,

    /// Where to send the token: ?token=… in the address, the header Authorization, or a subprotocol
    #[arg(long, value_name = "PLACE", value_enum, default_value = "query")]
    token_in: Place,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Place {
    Query,
    Header,
    Protocol,
}

impl TokenFlags {
    /// The token, if it belongs in the address.
    pub(crate) fn in_address(&self) -> Option<&str> {
        (self.token_in == Place::Query).then(|| self.token())?
    }

    /// The token, if it belongs in a header.
    pub(crate) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let token = self.token()?;
        let (name, text) = match self.token_in {
            Place::Query => return None,
            Place::Header => (AUTHORIZATION, format!("Bearer {token}")),
            Place::Protocol => (
                SEC_WEBSOCKET_PROTOCOL,
                format!("{PROTOCOL_MARKER}, {token}"),
            ),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }

    fn token(&self) -> Option<&str> {
        let token = self.token.as_ref().or(self.token_file.as_ref())?;
        Some(&token.0)
    }
}

/// A token, which no debug output shows.
#[derive(Clone)]
struct Token(String);

impl FromStr for Token {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

fn read(path: &str) -> Result<Token, String> {
    let text = if path == "-" {
        from_stdin()
    } else {
        text_file::read(Path::new(path))
    };
    let text = text.map_err(|error| format!("it cannot be read: {error}"))?;
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it has more in it than a token".to_owned());
    }
    Ok(Token(text.to_owned()))
}

/// The token on standard input, perhaps with white space around it. Much more than a token is not
/// read.
pub(super) fn from_stdin() -> std::io::Result<String> {
    let limit = 4 * TOKEN_BYTES_MAX as u64;
    text_file::read_from(&mut std::io::stdin().take(limit))
}
