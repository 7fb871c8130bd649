//! What is worth a line in the log: one JSON object each, for `wrangler tail` and the dashboard,
//! and a count in Analytics Engine if the binding is there. No topics, no tokens, no addresses.

use worker::{
    AnalyticsEngineDataPointBuilder, AnalyticsEngineDataset, Env, console_error, console_log,
};

use signal_access::{AuthResult, Refusal, RefusalCause};

/// The binding of Analytics Engine, if there is one.
const BINDING: &str = "EVENTS";

/// Something that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// The first request of an isolate has come; `who` may come in.
    Start { who: String },
    /// The object woke with so many peers; the state of `lost` of them could not be restored.
    Wake { peers: usize, lost: usize },
    /// A peer has come; `peers` are there now.
    Connect { peers: usize },
    /// A peer has gone, by itself; `peers` are left.
    Disconnect { code: usize, peers: usize },
    /// A peer broke a limit and is held until its close.
    Hold { reason: &'static str },
    /// Topics of a subscribe were skipped for a limit: the name of its setting, or of a number that
    /// the grant has.
    Skip { limit: &'static str },
    /// A peer was closed.
    Close { reason: &'static str, code: u16 },
    /// An upgrade was refused; `token` is what is wrong with its token, if that is why.
    Refuse {
        cause: &'static str,
        status: u16,
        token: Option<&'static str>,
    },
    /// Other keys of tokens than before were fetched from their issuer.
    Keys { keys: usize },
    /// The runtime did not do what it was asked.
    Failure { what: &'static str, error: String },
}

impl Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Wake { .. } => "wake",
            Self::Connect { .. } => "connect",
            Self::Disconnect { .. } => "disconnect",
            Self::Hold { .. } => "hold",
            Self::Skip { .. } => "skip",
            Self::Close { .. } => "close",
            Self::Refuse { .. } => "refuse",
            Self::Keys { .. } => "keys",
            Self::Failure { .. } => "failure",
        }
    }

    /// The line for the log.
    fn line(&self) -> String {
        let name = self.name();
        match self {
            Self::Start { who } => {
                let who = plain(who);
                format!(r#"{{"event":"{name}","who_may_come_in":"{who}"}}"#)
            }
            Self::Wake { peers, lost } => {
                format!(r#"{{"event":"{name}","peers":{peers},"lost":{lost}}}"#)
            }
            Self::Connect { peers } => format!(r#"{{"event":"{name}","peers":{peers}}}"#),
            Self::Disconnect { code, peers } => {
                format!(r#"{{"event":"{name}","code":{code},"peers":{peers}}}"#)
            }
            Self::Hold { reason } => format!(r#"{{"event":"{name}","reason":"{reason}"}}"#),
            Self::Skip { limit } => format!(r#"{{"event":"{name}","limit":"{limit}"}}"#),
            Self::Close { reason, code } => {
                format!(r#"{{"event":"{name}","reason":"{reason}","code":{code}}}"#)
            }
            Self::Refuse {
                cause,
                status,
                token,
            } => {
                let token = token.map(|token| format!(r#","token":"{token}""#));
                let token = token.unwrap_or_default();
                format!(r#"{{"event":"{name}","cause":"{cause}","status":{status}{token}}}"#)
            }
            Self::Keys { keys } => format!(r#"{{"event":"{name}","keys":{keys}}}"#),
            Self::Failure { what, error } => {
                let error = plain(error);
                format!(r#"{{"event":"{name}","what":"{what}","error":"{error}"}}"#)
            }
        }
    }

    /// The detail and the number of a data point. What is wrong with a token has a name that no
    /// other cause has.
    fn point(&self) -> (&'static str, f64) {
        match self {
            Self::Start { .. } => ("", 1.0),
            Self::Wake { peers: count, .. }
            | Self::Connect { peers: count }
            | Self::Disconnect { peers: count, .. }
            | Self::Keys { keys: count } => ("", u32::try_from(*count).unwrap_or(u32::MAX).into()),
            Self::Hold { reason: detail } | Self::Skip { limit: detail } => (detail, 1.0),
            Self::Close { reason, code } => (reason, (*code).into()),
            Self::Refuse {
                cause,
                status,
                token,
            } => (token.unwrap_or(cause), (*status).into()),
            Self::Failure { what, .. } => (what, 1.0),
        }
    }
}

/// Text of others, fit to stand between quotes: what needs an escape is left out, and the end of
/// what is long.
fn plain(text: &str) -> String {
    let is_plain = |character: &char| !character.is_control() && !matches!(character, '"' | '\\');
    text.chars().filter(is_plain).take(200).collect()
}

/// Where events go.
#[derive(Debug)]
pub(crate) struct Events {
    dataset: Option<AnalyticsEngineDataset>,
}

impl Events {
    pub(crate) fn new(env: &Env) -> Self {
        Self {
            dataset: env.analytics_engine(BINDING).ok(),
        }
    }

    pub(crate) fn note(&self, event: &Event) {
        if matches!(event, Event::Failure { .. }) {
            console_error!("{}", event.line());
        } else {
            console_log!("{}", event.line());
        }
        let Some(dataset) = &self.dataset else { return };
        let (detail, number) = event.point();
        let point = AnalyticsEngineDataPointBuilder::new()
            .indexes([event.name()])
            .add_blob(event.name())
            .add_blob(detail)
            .add_double(number)
            .build();
        if let Err(error) = dataset.write_data_point(&point) {
            console_error!("{}", Event::failure("analytics", &error).line());
        }
    }
}

impl Event {
    pub(crate) fn refuse(refusal: &Refusal) -> Self {
        let is_of_a_token = refusal.cause() == RefusalCause::Unauthorized
            && !matches!(refusal.auth(), AuthResult::Refused | AuthResult::TimedOut);
        Self::Refuse {
            cause: refusal.cause().name(),
            status: refusal.status(),
            token: is_of_a_token.then(|| refusal.auth().name()),
        }
    }

    pub(crate) fn failure(what: &'static str, error: &dyn std::fmt::Display) -> Self {
        Self::Failure {
            what,
            error: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use signal_access::{Denied, TokenError};

    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let line = Event::Wake { peers: 3, lost: 0 }.line();
        assert_eq!(line, r#"{"event":"wake","peers":3,"lost":0}"#);
        let line = Event::Close {
            reason: "slow_consumer",
            code: 1013,
        }
        .line();
        assert_eq!(
            line,
            r#"{"event":"close","reason":"slow_consumer","code":1013}"#
        );
    }

    #[test]
    fn a_refusal_names_what_is_wrong_with_the_token_and_nothing_of_it() {
        let expired = Refusal::from(Denied::Token(TokenError::Expired));
        assert_eq!(
            Event::refuse(&expired).line(),
            r#"{"event":"refuse","cause":"unauthorized","status":401,"token":"expired"}"#
        );
        assert_eq!(Event::refuse(&expired).point(), ("expired", 401.0));
        let origin = Event::refuse(&Denied::Origin.into());
        assert_eq!(
            origin.line(),
            r#"{"event":"refuse","cause":"origin","status":403}"#
        );
    }

    #[test]
    fn text_of_others_cannot_end_the_line_or_the_string() {
        let event = Event::failure("alarm", &"a\"b\\c\nd".to_owned());
        assert_eq!(
            event.line(),
            r#"{"event":"failure","what":"alarm","error":"abcd"}"#
        );
        assert_eq!(plain(&"x".repeat(1_000)).len(), 200);
    }
}
