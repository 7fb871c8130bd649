//! The admin API: what is there, and the few things that can be done about it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, EXPECT, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use serde_json::{Value, json};
use signal_tokio::{PublishError, Relay, TopicPage, TopicQuery};
use tokio::time::timeout;

use crate::admin::Admin;
use crate::admin::request::{Action, Problem};
use crate::serve::log::AUDIT;

/// The most bytes of names in one list: 250 of the longest by default.
const LIST_BYTES_MAX: usize = 1 << 20;
/// How many characters of a name stand in the log.
const SHOWN_MAX: usize = 100;
/// How long a body may take; less than a connection, so that there is time to say so.
const BODY_TIMEOUT: Duration = Duration::from_secs(4);
/// How much of a body that is not wanted is read before the answer, and for how long, so that a
/// client that writes first and reads then gets the answer and not a reset.
const UNWANTED_BYTES_MAX: usize = 1 << 20;
const UNWANTED_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether a path is one of the API's.
pub(super) fn has(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

pub(super) async fn answer(
    admin: &Admin,
    from: SocketAddr,
    request: &Parts,
    body: Incoming,
) -> Response<Full<Bytes>> {
    let body = Sent {
        body,
        expects: request.headers.contains_key(EXPECT),
    };
    let judged = judge(admin, from, request).and_then(|()| Action::read(request));
    let kind = match &judged {
        Ok(action) => action.kind(),
        Err(problem) => problem.kind(),
    };
    admin.requests.count(kind);
    let done = match judged {
        Ok(action) => act(admin, from, action, body).await,
        Err(problem) => {
            body.let_go().await;
            Err(problem)
        }
    };
    done.map_or_else(refuse, |value| answer_json(StatusCode::OK, &value))
}

/// Whether the request may ask for anything at all.
fn judge(admin: &Admin, from: SocketAddr, request: &Parts) -> Result<(), Problem> {
    let Some(key) = &admin.beside.key else {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "the admin API is off; it has to have a key, in a file that the setting admin_key_file names",
        ));
    };
    let mut sent = request.headers.get_all(AUTHORIZATION).iter();
    let sent = match (sent.next(), sent.next()) {
        (Some(sent), None) => bearer(sent.as_bytes()),
        _ => None,
    };
    let Some(sent) = sent else {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "send the key of admin_key_file, once: Authorization: Bearer KEY",
        ));
    };
    if !key.is(sent) {
        tracing::warn!(%from, "a request to the admin API had another key than that of admin_key_file");
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "this is not the key of admin_key_file",
        ));
    }
    Ok(())
}

/// The key of a header of the scheme `Bearer`.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = header.split_at_checked(b"bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| key.trim_ascii())
}

async fn act(
    admin: &Admin,
    from: SocketAddr,
    action: Action,
    body: Sent,
) -> Result<Value, Problem> {
    let relay = &admin.relay;
    let data = if matches!(action, Action::Publish(_)) {
        let max = relay.config().core.message_bytes_max as usize;
        let read = timeout(BODY_TIMEOUT, body.read(max)).await;
        read.unwrap_or_else(|_| {
            let status = StatusCode::REQUEST_TIMEOUT;
            Err(Problem::new(
                status,
                "the body of the request took too long",
            ))
        })?
    } else {
        body.let_go().await;
        Vec::new()
    };
    Ok(match action {
        Action::Publish(topic) => publish(relay, from, &topic, &data)?,
        Action::List {
            prefix,
            after,
            limit,
        } => {
            tracing::debug!(target: AUDIT, %from, "admin API: listed topics");
            list(&relay.topics(&TopicQuery {
                prefix: &prefix,
                after: after.as_deref(),
                limit,
            }))
        }
        Action::Show(topic) => {
            tracing::debug!(target: AUDIT, %from, "admin API: showed a topic");
            json!({ "topic": topic, "clients": relay.subscribers(&topic) })
        }
        Action::CloseTopic(topic) => {
            let closed = relay.close_topic(&topic);
            let name = shown(&topic);
            tracing::info!(target: AUDIT, %from, topic = %name, closed, "admin API: closed the connections of a topic");
            json!({ "topic": topic, "closed": closed })
        }
        Action::CloseSubject(subject) => {
            let closed = relay.close_subject(&subject);
            let name = shown(&subject);
            tracing::info!(target: AUDIT, %from, subject = %name, closed, "admin API: closed the connections of a subject");
            json!({ "subject": subject, "closed": closed })
        }
    })
}

/// A page of topics, or the beginning of it that is not too long.
fn list(page: &TopicPage) -> Value {
    let mut bytes = 0;
    let fits = page.topics.iter().take_while(|(topic, _)| {
        // One fits always.
        let is_first = bytes == 0;
        bytes += topic.len();
        is_first || bytes <= LIST_BYTES_MAX
    });
    let fits = &page.topics[..fits.count()];
    let next = if fits.len() < page.topics.len() {
        fits.last().map(|(topic, _)| topic)
    } else {
        page.next.as_ref()
    };
    let shown =
        |(topic, clients): &(Arc<str>, usize)| json!({ "topic": &**topic, "clients": clients });
    let topics: Vec<_> = fits.iter().map(shown).collect();
    json!({ "topics": topics, "next": next.map(|topic| &**topic) })
}

fn publish(relay: &Relay, from: SocketAddr, topic: &str, data: &[u8]) -> Result<Value, Problem> {
    let not_json = |_| Problem::new(StatusCode::BAD_REQUEST, PublishError::NotJson.to_string());
    let data = std::str::from_utf8(data).map_err(not_json)?;
    let clients = relay.publish(topic, data).map_err(|error| {
        let status = match error {
            PublishError::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            PublishError::NotJson | PublishError::NoTopic | PublishError::TopicTooLong(_) | _ => {
                StatusCode::BAD_REQUEST
            }
        };
        Problem::new(status, error.to_string())
    })?;
    let name = shown(topic);
    tracing::info!(target: AUDIT, %from, topic = %name, bytes = data.len(), clients, "admin API: published");
    Ok(json!({ "topic": topic, "clients": clients }))
}

/// A name as it stands in the log: its beginning, escaped.
fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", name[..end].escape_debug()),
        None => name.escape_debug().to_string(),
    }
}

/// What is sent behind the head of a request.
struct Sent {
    body: Incoming,
    /// Whether the client waits to hear that it is wanted.
    expects: bool,
}

impl Sent {
    /// All of it, if it has no more bytes than this.
    async fn read(mut self, max: usize) -> Result<Vec<u8>, Problem> {
        let too_long = || {
            let error = PublishError::TooLong(max as u64);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
        };
        if self.body.size_hint().lower() > max as u64 {
            self.let_go().await;
            return Err(too_long());
        }
        self.expects = false;
        let mut data = Vec::new();
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|_| {
                Problem::new(StatusCode::BAD_REQUEST, "the body of the request broke off")
            })?;
            data.extend_from_slice(frame.data_ref().map_or(&[], |bytes| &bytes[..]));
            if data.len() > max {
                self.let_go().await;
                return Err(too_long());
            }
        }
        Ok(data)
    }

    /// Reads what is not wanted, unless its client waits to hear whether it is.
    async fn let_go(mut self) {
        if self.expects {
            return;
        }
        let read = async {
            let mut bytes = 0;
            while let Some(Ok(frame)) = self.body.frame().await {
                bytes += frame.data_ref().map_or(0, Bytes::len);
                if bytes > UNWANTED_BYTES_MAX {
                    return;
                }
            }
        };
        let _ = timeout(UNWANTED_TIMEOUT, read).await;
    }
}

fn refuse(problem: Problem) -> Response<Full<Bytes>> {
    let mut answer = answer_json(problem.status, &problem.body());
    let headers = answer.headers_mut();
    if let Some(allow) = problem.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer realm=\"signal admin\"");
        headers.insert(WWW_AUTHENTICATE, scheme);
    }
    answer
}

fn answer_json(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(value.to_string().into()));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}
