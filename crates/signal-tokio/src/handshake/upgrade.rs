//! Requests that want to become a WebSocket connection.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, HeaderName, HeaderValue, RETRY_AFTER,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Response, StatusCode, Version};
use signal_access::{AuthResult, Judging, Permit, Refusal, RefusalCause, forwarded_for};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::admission::Admission;
use crate::admission::authorizer::UpgradeRequest;
use crate::admission::places::Place;
use crate::handshake::door::Door;
use crate::handshake::pages;
use crate::handshake::remote::Remote;
use crate::stats::lifecycle::Lifecycle;
use crate::stats::log_fields;

pub(super) const NO_HOST: &str = "the request must name its host, and only once";

/// The answer to a request, and the right to a connection if it is 101.
#[derive(Debug)]
#[non_exhaustive]
pub struct Upgrade {
    /// What to answer.
    pub response: Response<Bytes>,
    /// Given if `response` is 101: hand it to [`Relay::accept`](crate::Relay::accept) together with
    /// the upgraded stream.
    pub admission: Option<Admission>,
}

/// Answers a request for an upgrade.
pub(super) async fn answer(door: &Arc<Door>, request: &Parts, remote: Remote) -> Upgrade {
    let client = client(door, remote, &request.headers);
    let result = async {
        let key = check_upgrade(request)?;
        let (admission, protocol) = admit(door, request, remote, client)
            .await
            .map_err(Answer::Refusal)?;
        let protocol = protocol
            .and_then(|protocol| HeaderValue::from_str(&protocol).ok())
            .or_else(|| choose_protocol(&request.headers));
        Ok((switching_protocols(key, protocol), admission))
    };
    match result.await {
        Ok((response, admission)) => {
            tracing::debug!(
                client = door.config.log_ips.show(client),
                path = log_fields::path(&request.uri),
                "upgraded"
            );
            Upgrade {
                response,
                admission: Some(admission),
            }
        }
        Err(answer) => {
            let (cause, response) = match answer {
                Answer::Refusal(refusal) => (refusal.cause(), refused(&refusal)),
                Answer::Bad(response) => (RefusalCause::BadRequest, *response),
            };
            note_refusal(door, request, remote, client, cause);
            Upgrade {
                response,
                admission: None,
            }
        }
    }
}

pub(super) fn note_refusal(
    door: &Door,
    request: &Parts,
    remote: Remote,
    client: Option<IpAddr>,
    cause: RefusalCause,
) {
    door.counters.count_refusal(cause);
    door.hints
        .refused(&door.config, cause, remote, client, &request.headers);
    tracing::debug!(
        client = door.config.log_ips.show(client),
        path = log_fields::path(&request.uri),
        cause = cause.name(),
        "refused"
    );
}

/// Why there is no upgrade.
enum Answer {
    Refusal(Refusal),
    Bad(Box<Response<Bytes>>),
}

async fn admit(
    door: &Arc<Door>,
    request: &Parts,
    remote: Remote,
    client: Option<IpAddr>,
) -> Result<(Admission, Option<Cow<'static, str>>), Refusal> {
    let (place, permit) = judge(door, request, remote, client).await?;
    Admission::new(place, permit)
}

/// Takes a place and asks the authorizer: the cheap checks first.
pub(super) async fn judge(
    door: &Arc<Door>,
    request: &Parts,
    remote: Remote,
    client: Option<IpAddr>,
) -> Result<(Place, Permit), Refusal> {
    let authorizer = door.authorizer();
    let mut place = take_place(door, client, authorizer.judging())?;
    let request = UpgradeRequest {
        method: &request.method,
        uri: &request.uri,
        headers: &request.headers,
        remote: remote.address(),
        client,
        now: door.clock.now(),
    };
    let judged = authorizer.authorize(&request).await;
    let result = judged
        .as_ref()
        .map_or_else(Refusal::auth, |_permit| AuthResult::Granted);
    door.counters.count_auth(result);
    match judged {
        Ok(permit) => Ok((place, permit)),
        Err(refusal) => {
            if refusal.is_denial() {
                place.deny()?;
            }
            Err(refusal)
        }
    }
}

/// The address of the client: behind the operator's own proxies what the last of them says, else
/// the other end of the socket.
pub(super) fn client(door: &Door, remote: Remote, headers: &HeaderMap) -> Option<IpAddr> {
    let (proxies, name) = (&door.config.trusted_proxies, &door.config.forwarded_header);
    let values = headers.get_all(name).iter();
    // What is not text is not an address either, so the search ends there.
    let values = values.map(|value| value.to_str().unwrap_or_default());
    if name != FORWARDED {
        return remote.client(proxies, values);
    }
    let lists: Vec<String> = values.map(forwarded_for).collect();
    remote.client(proxies, lists.iter().map(String::as_str))
}

pub(crate) fn take_place(
    door: &Arc<Door>,
    client: Option<IpAddr>,
    judging: Judging,
) -> Result<Place, Refusal> {
    if door.lifecycle() != Lifecycle::Serving {
        return Err(Refusal::because(RefusalCause::Draining, fastrand::u64(..)));
    }
    Place::take(&door.places, client, judging)
}

/// Whether this is meant as a WebSocket upgrade. An upgrade to something else, which clients offer
/// beside plain requests (`h2c`), is ignored (RFC 9110, 7.8).
pub(super) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, &CONNECTION, "upgrade")
        && (has_token(headers, &UPGRADE, "websocket")
            || headers.contains_key(UPGRADE) && headers.contains_key(SEC_WEBSOCKET_KEY))
}

/// Whether the request says once for which host it is (RFC 9112, 3.2).
fn has_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            // Without an authority in its address a client sends an empty one.
            let authority = Authority::try_from(host.as_bytes());
            host.is_empty() || authority.is_ok_and(|host| !host.as_str().contains('@'))
        }
        _ => false,
    }
}

/// Whether the request says for which host it is, if its version asks for that.
pub(super) fn is_host_clear(request: &Parts) -> bool {
    match request.version {
        Version::HTTP_11 => has_host(&request.headers),
        // It knows no host, or names it otherwise.
        _ => !request.headers.contains_key(HOST) || has_host(&request.headers),
    }
}

/// Checks an upgrade by RFC 6455, 4.2.1, and returns its key.
///
/// HTTP/1.0 is as good as HTTP/1.1: a proxy that speaks it to its backends (nginx, unless
/// told otherwise) passes the upgrade on, and the reference accepts it.
fn check_upgrade(request: &Parts) -> Result<&HeaderValue, Answer> {
    let headers = &request.headers;
    if request.method != Method::GET {
        let mut response = pages::text(
            StatusCode::METHOD_NOT_ALLOWED,
            "a WebSocket upgrade is a GET",
        );
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET"));
        return Err(Answer::Bad(Box::new(response)));
    }
    if !matches!(request.version, Version::HTTP_10 | Version::HTTP_11) {
        return Err(bad("a WebSocket upgrade needs HTTP/1.1"));
    }
    if !is_host_clear(request) {
        return Err(bad(NO_HOST));
    }
    if !has_token(headers, &UPGRADE, "websocket") {
        return Err(bad("the only upgrade here is websocket"));
    }
    if has_body(headers) {
        // Its bytes would be taken for frames, or, behind a proxy that thinks otherwise, for the
        // next request.
        return Err(bad("a WebSocket upgrade has no body"));
    }
    let mut versions = headers.get_all(SEC_WEBSOCKET_VERSION).iter();
    if versions.next().map(HeaderValue::as_bytes) != Some(b"13") || versions.next().is_some() {
        let mut response = pages::text(
            StatusCode::UPGRADE_REQUIRED,
            "this relay speaks WebSocket version 13",
        );
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        response
            .headers_mut()
            .insert(UPGRADE, HeaderValue::from_static("websocket"));
        return Err(Answer::Bad(Box::new(response)));
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key.as_bytes()) => Ok(key),
        _ => Err(bad("Sec-WebSocket-Key must be 16 bytes in base64")),
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    let lengths = headers.get_all(CONTENT_LENGTH);
    headers.contains_key(TRANSFER_ENCODING)
        || lengths.iter().any(|length| length.as_bytes() != b"0")
}

/// Whether these are the 24 characters that 16 bytes make in base64.
fn is_key(key: &[u8]) -> bool {
    let Some((digits, b"==")) = key.split_last_chunk::<2>() else {
        return false;
    };
    digits.len() == 22
        && digits
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case(token))
}

fn switching_protocols(key: &HeaderValue, protocol: Option<HeaderValue>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let to = response.headers_mut();
    to.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    to.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) {
        to.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(protocol) = protocol {
        to.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

/// The subprotocol to answer: see [`signal_access::choose_protocol`].
fn choose_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let chosen = signal_access::choose_protocol(offered.filter_map(|value| value.to_str().ok()));
    HeaderValue::from_str(chosen?).ok()
}

fn bad(body: &'static str) -> Answer {
    Answer::Bad(Box::new(pages::text(StatusCode::BAD_REQUEST, body)))
}

/// The answer to an upgrade that is refused.
pub(crate) fn refused(refusal: &Refusal) -> Response<Bytes> {
    // A refusal has a status from 400 to 599.
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = pages::text(status, refusal.body().to_owned());
    let challenge = refusal.challenge_value().map(HeaderValue::from_str);
    if let Some(Ok(challenge)) = challenge {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = refusal.retry_after_seconds() {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
