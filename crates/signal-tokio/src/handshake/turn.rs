//! `GET /turn`: credentials for TURN servers.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN,
    VARY,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use signal_access::{Permit, Refusal, RefusalCause, TurnServers, UnixTime};

use crate::handshake::door::Door;
use crate::handshake::remote::Remote;
use crate::handshake::{pages, upgrade};

/// The servers, if there are any and the request asks for them.
pub(super) fn servers(door: &Door, request: &Parts) -> Option<Arc<TurnServers>> {
    let is_asked = request.uri.path() == pages::TURN && upgrade::is_host_clear(request);
    is_asked.then(|| door.turn_servers()).flatten()
}

/// Judges as an upgrade is judged. The place is given back with the answer, but the request counts
/// towards how often its address may connect.
pub(super) async fn answer(
    door: &Arc<Door>,
    request: &Parts,
    remote: Remote,
    servers: &TurnServers,
) -> Response<Bytes> {
    if request.method == Method::OPTIONS {
        return preflight();
    }
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return wrong_method();
    }
    let client = upgrade::client(door, remote, &request.headers);
    let shown = || door.config.log_ips.show(client);
    let judged = upgrade::judge(door, request, remote, client).await;
    let cause = judged.as_ref().err().map(Refusal::cause);
    let mut response = match &judged {
        Ok((_place, permit)) => {
            door.counters.count_turn_credentials();
            tracing::debug!(client = shown(), "TURN credentials");
            credentials(door, servers, permit)
        }
        Err(refusal) => {
            upgrade::note_refusal(door, request, remote, client, refusal.cause());
            upgrade::refused(refusal)
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if cause != Some(RefusalCause::Origin) {
        share(headers, request);
    }
    response
}

fn credentials(door: &Door, servers: &TurnServers, permit: &Permit) -> Response<Bytes> {
    let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let now = UnixTime::since_1970(since_1970);
    let expires = permit.grant.expires();
    let until = expires.map(|end| now.saturating_add(end.saturating_since(door.clock.now())));
    let subject = permit.subject.as_ref().map(|subject| &**subject.name());
    let credentials = servers.credentials(now, until, subject);
    let mut response = Response::new(Bytes::from(credentials.to_json()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Lets the page that asks read the answer, also why it is refused.
fn share(headers: &mut HeaderMap, request: &Parts) {
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = request.headers.get(ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let others = HeaderValue::from_static("retry-after, www-authenticate");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, others);
    }
}

/// A page asks first if it may send its token in a header. That gives it nothing yet: the request
/// that follows is judged by its origin.
fn preflight() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let authorization = HeaderValue::from_static("authorization");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, authorization);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn wrong_method() -> Response<Bytes> {
    let body = "TURN credentials are for a GET";
    let mut response = pages::text(StatusCode::METHOD_NOT_ALLOWED, body);
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    response
}
