use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::Args;
use signal_access::{Claims, MalformedCause, TokenError, TokenVerifier, UnixTime, write_topics};
use signal_core::TopicSet;

use crate::failure::Failure;
use crate::show;
use crate::token::key_file::KeyFile;
use crate::token::{given, usage};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The longest name that is shown whole.
const NAME_LENGTH_MAX: usize = 120;

/// Which token, by whose key.
#[derive(Args, Debug)]
pub(crate) struct TokenCheckArgs {
    /// The token, or - to read it from standard input, where no list of processes shows it
    #[arg(default_value = "-")]
    token: String,

    #[command(flatten)]
    key: KeyFile,

    /// The relay's `token_audience`, if it has one
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
}

impl TokenCheckArgs {
    /// What to report of the token. The token itself is never shown.
    pub(crate) fn run(&self, now: UnixTime) -> Result<(String, ExitCode), Failure> {
        let mut verifier = self.key.verifier()?;
        if let Some(audience) = &self.audience {
            verifier = verifier.with_audience(audience);
        }
        let token = self.token()?;
        let token = token.trim();
        Ok(match verifier.verify(token, now) {
            Ok(claims) => (admitted(&claims, now), ExitCode::SUCCESS),
            Err(error) => (refused(&verifier, token, error, now), ExitCode::FAILURE),
        })
    }

    fn token(&self) -> Result<String, Failure> {
        if self.token != "-" {
            return Ok(self.token.clone());
        }
        given::from_stdin().map_err(|error| {
            usage(
                format!("standard input cannot be read: {error}"),
                "pass a token: signal token check - < token.txt",
            )
        })
    }
}

fn admitted(claims: &Claims, now: UnixTime) -> String {
    let left = show::span(claims.expires.saturating_since(now));
    format!(
        "{GOOD}✅ VALID:{GOOD:#} {BOLD}a relay with this key lets its bearer in for another {left}{BOLD:#}\n{}",
        told(claims, now)
    )
}

fn refused(verifier: &TokenVerifier, token: &str, error: TokenError, now: UnixTime) -> String {
    let fix = fix(error);
    let mut out =
        format!("{BAD}❌ REFUSED:{BAD:#} {BOLD}{error}{BOLD:#}\n   {BOLD}→ {fix}{BOLD:#}\n");
    // Claims are worth reading only if they are signed.
    if let Ok(claims) = verifier.read(token) {
        out.push_str(&told(&claims, now));
    }
    out
}

/// What the token says, a line each.
fn told(claims: &Claims, now: UnixTime) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(out, "   {DIM}{name:<11}{DIM:#} {text}");
    };
    if let Some(subject) = &claims.subject {
        line("subject", &show::quoted(subject, NAME_LENGTH_MAX));
    }
    if claims.subscribe == claims.publish {
        line("topics", &topics(&claims.subscribe));
    } else {
        line("subscribe", &topics(&claims.subscribe));
        line("publish", &topics(&claims.publish));
    }
    if let Some(start) = claims.not_before {
        line("from", &moment(start, now));
    }
    line("until", &moment(claims.expires, now));
    if !claims.audience.is_empty() {
        let names: Vec<String> = claims
            .audience
            .iter()
            .map(|name| show::quoted(name, NAME_LENGTH_MAX))
            .collect();
        line("audience", &names.join(", "));
    }
    if let Some(peers) = claims.peers_max {
        line(
            "at once",
            &show::count(peers.try_into().unwrap_or(usize::MAX), "connection"),
        );
    }
    if !claims.clients_max.is_empty() {
        let numbers = claims.clients_max.iter();
        let numbers = numbers.map(|(set, max)| format!("{max} in {}", topics(set)));
        let numbers = numbers.collect::<Vec<_>>().join(", ");
        line("clients", &format!("at most {numbers}"));
    }
    out
}

fn topics(set: &TopicSet) -> String {
    if *set == TopicSet::All {
        return "every topic".to_owned();
    }
    let patterns = write_topics(set).unwrap_or_default();
    if patterns.is_empty() {
        return "none".to_owned();
    }
    let shown = |pattern: &String| match pattern.strip_suffix('*') {
        Some(start) => format!(
            "all that begin with {}",
            show::quoted(start, NAME_LENGTH_MAX)
        ),
        None => show::quoted(pattern, NAME_LENGTH_MAX),
    };
    patterns.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// A point in time, and how far it is.
fn moment(time: UnixTime, now: UnixTime) -> String {
    let (ahead, ago) = (time.saturating_since(now), now.saturating_since(time));
    let far = match (ahead, ago) {
        (Duration::ZERO, Duration::ZERO) => "now".to_owned(),
        (Duration::ZERO, ago) => format!("{} ago", show::span(ago)),
        (ahead, _) => format!("in {}", show::span(ahead)),
    };
    format!("{} ({far})", show::utc(time.as_secs()))
}

/// What to do about a token that is refused.
fn fix(error: TokenError) -> &'static str {
    match error {
        TokenError::Missing(_) | TokenError::Ambiguous => "pass one token",
        TokenError::TooLong => {
            "leave groups and other claims out of it; of topics, name what they begin with"
        }
        TokenError::Malformed(MalformedCause::Form) => {
            "pass the whole token, three parts with two dots between them, and nothing else"
        }
        TokenError::Malformed(_) => {
            "sign it with a library for JWT, with no extension in its header"
        }
        TokenError::Algorithm => {
            "sign it with the key of the relay, by the algorithm (alg) that is named there"
        }
        TokenError::UnknownKey => {
            "add the key that signed it to the key file, or sign with one that is there"
        }
        TokenError::NoKeys => "name a file with keys",
        TokenError::Issuer => "let iss be the relay's token_issuer, letter by letter",
        TokenError::Signature => {
            "sign it with the key of this file; was it changed on its way, or signed with another?"
        }
        TokenError::Claims(_) => "correct the claim where the token is signed",
        TokenError::Expired => "sign a new one",
        TokenError::NotYet => "wait, or look at the clocks of both machines",
        TokenError::Audience(_) => {
            "let aud be the relay's token_audience (--audience here); a relay without one takes tokens without aud"
        }
        _ => "sign another one",
    }
}
