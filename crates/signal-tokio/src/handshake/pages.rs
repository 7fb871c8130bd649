//! The pages beside the WebSocket.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use signal_core::{Limits, Scope};

use crate::config::Config;
use crate::handshake::door::Door;
use crate::stats::lifecycle::Lifecycle;

/// Where credentials for TURN servers are, if the relay has some.
pub(crate) const TURN: &str = "/turn";

/// The page of this path: `/healthz`, `/readyz` and `/limits`, none for `/turn`, and `okay` for
/// every other, as y-webrtc's server has it.
pub(crate) fn answer(door: &Door, path: &str) -> Response<Bytes> {
    let is_serving = door.lifecycle() == Lifecycle::Serving;
    let peers = door.places.gate.peers();
    let (status, body) = match path {
        "/healthz" => (
            StatusCode::OK,
            format!(r#"{{"status":"ok","peers":{peers}}}"#),
        ),
        "/readyz" if !is_serving => (
            StatusCode::SERVICE_UNAVAILABLE,
            r#"{"ready":false,"reason":"draining"}"#.to_owned(),
        ),
        "/readyz" if peers >= door.config.peers_max => (
            StatusCode::SERVICE_UNAVAILABLE,
            r#"{"ready":false,"reason":"peers_max"}"#.to_owned(),
        ),
        "/readyz" if !door.authorizer().is_ready() => (
            StatusCode::SERVICE_UNAVAILABLE,
            r#"{"ready":false,"reason":"no_keys"}"#.to_owned(),
        ),
        "/readyz" => match door.readiness.obstacle() {
            None => (StatusCode::OK, r#"{"ready":true}"#.to_owned()),
            Some(obstacle) => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!(r#"{{"ready":false,"reason":"{}"}}"#, obstacle.name()),
            ),
        },
        "/limits" => (StatusCode::OK, limits(&door.config)),
        // An app that reads JSON there learns more by the status than by `okay`.
        TURN => return no_turn(),
        _ => return text(StatusCode::OK, "okay"),
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn no_turn() -> Response<Bytes> {
    let mut response = text(StatusCode::NOT_FOUND, "this relay has no TURN servers");
    let every_page = HeaderValue::from_static("*");
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, every_page);
    response
}

/// A page of plain text.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// The limits that a client can run into on its own connection, by name, as JSON: sizes in bytes,
/// times in milliseconds.
///
/// They are not a secret, since anyone can find them by trying; written down, a tool can check that
/// they hold.
fn limits(config: &Config) -> String {
    let core = Limits::ALL
        .iter()
        .filter(|limit| limit.scope == Scope::Peer);
    let own = Config::LIMITS
        .iter()
        .filter(|limit| limit.scope == Scope::Peer);
    let core = core.map(|limit| (limit.name, (limit.get)(&config.core)));
    let own = own.map(|limit| (limit.name, (limit.get)(config)));
    let limits = core
        .chain(own)
        .map(|(name, value)| (name.to_owned(), value.into()));
    serde_json::Value::Object(limits.collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_shown_in_bytes_and_milliseconds_but_not_those_of_the_relay() {
        let shown: serde_json::Value =
            serde_json::from_str(&limits(&Config::default())).expect("JSON");
        for limit in Limits::ALL {
            assert!(shown[limit.name].is_u64(), "{} is missing", limit.name);
        }
        assert_eq!(shown["ping_interval"], 30_000);
        assert_eq!(shown["message_bytes_max"], 65_536);
        assert_eq!(shown["outbound_bytes_max"], 1_048_576);
        assert!(shown["peers_max"].is_null(), "{shown}");
    }
}
